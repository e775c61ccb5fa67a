"""A made-up talk of one to many turns: what the user says, and from what the assistant remembers, what it can answer."""
import score
from prompts import out_of_domain, system_prompt
from topics import ADJECTIVES_EN, ADJECTIVES_JA, CATEGORIES, KINDS_EN, KINDS_JA, TRAINING_TOPICS
from voice import FEELINGS, PHRASES, draw_core, fill, make_plan, of_topic, render, subject
from users import is_held_out, wording
from words import made_up_noun, person, pick

# How gyaru an answer is: the probability that a sentence is voiced. No prompt fixes it.
Z_LEVELS = (0.0, 0.15, 0.5, 0.85, 1.0)
Z_WEIGHTS = {"neutral": (63, 20, 6, 5, 6), "polite": (75, 19, 3, 1, 2), "gyaru": (2, 1, 3, 19, 75)}
PROMPT_SHARES = (("neutral", 0.60), ("polite", 0.20), ("gyaru", 0.20))
_NEUTRAL_SYSTEM = 0.4      # share of neutral talks with a system prompt
_LANGUAGE_CHANGE = 0.03    # chance that the user goes on in the other language
_VOICE_CHANGE = 0.15       # chance that the voice is drawn anew before a turn
_JAPANESE = 0.6
_TURNS = ((1, 34), (2, 22), (3, 16), (4, 11), (5, 8), (6, 6), (10, 2), (16, 1))
_NAMED = 0.3               # share of talks in which the assistant is called something else

_OPENERS = (("topic", 36), ("word", 20), ("hello", 13), ("feeling", 7), ("about_you", 8), ("pick", 7), ("memory", 4), ("manners", 5), ("fallback", 5), ("unclear", 1))
_ABOUT_TOPIC = (("opinion", 7), ("like", 7), ("talk", 6), ("good", 4), ("tip", 4), ("bare", 4), ("did", 5), ("want", 3), ("invite", 1), ("dislike", 1), ("whatis", 3), ("fan", 4))
_HELLO = (("hello", 6), ("morning", 2), ("evening", 2), ("back", 1), ("how", 2), ("intro", 2))
_ABOUT_YOU = (("who", 3), ("ai", 2), ("age", 1), ("home", 1), ("can", 2), ("today", 3), ("plan", 1))
_PICK = (("hobby", 2), ("fav", 3), ("recommend", 3), ("cat_talk", 3), ("bored", 1))
_MANNERS = (("thanks", 2), ("bye", 2), ("night", 1), ("sorry", 1), ("praise", 2), ("love", 1), ("insult", 1), ("laugh", 1), ("joke", 2), ("weather", 3), ("cheer", 1), ("congrats", 1))
_FOLLOW_UPS = (("why", 3), ("more", 3), ("how_to", 2), ("agree", 5))


def weighted(rng, table):
    point = rng.random() * sum(weight for _, weight in table)
    for value, weight in table:
        point -= weight
        if point < 0:
            return value
    return table[-1][0]


def _say(rng, lang, intent, values):
    return fill(wording(rng, lang, intent), values)


def new_word(rng, lang):
    while True:
        word = made_up_noun(rng, lang)
        if not score.voiced(word) and "にゃ" not in word:
            return word


class Talk:
    """One conversation under construction. `turn` gives (user text, plan of the answer)."""

    def __init__(self, rng, lang, topics=TRAINING_TOPICS):
        self.rng, self.lang, self.topics = rng, lang, topics
        self.name = person(rng, lang) if rng.random() < _NAMED else PHRASES[lang].DEFAULT_NAME
        self.user, self.favourite, self.pending, self.values = None, None, None, None

    def turn(self, first, last):
        """Draws what the user says next and plans the answer."""
        rng = self.rng
        step = None
        if not first and rng.random() < _LANGUAGE_CHANGE:
            self._change_language()
        elif not first:
            draw = rng.random()
            if last and draw < 0.12:
                step = self._manners(pick(rng, ("bye", "thanks", "night")))
            elif draw < 0.55:
                step = self._answer()
            elif draw < 0.80:
                step = self._follow_up()
        intent, text, values = step or self._open(first)
        plan = make_plan(rng, intent, {**values, "A": self.name, "N": self.user})
        self.pending = next((slot for slot, *_ in plan if slot.startswith(("ask_", "w_ask"))), None)
        dressed = self._dress(text)
        while is_held_out(dressed):
            dressed = self._dress(text)
        return dressed, plan

    def _change_language(self):
        default = self.name == PHRASES[self.lang].DEFAULT_NAME
        self.lang = "en" if self.lang == "ja" else "ja"
        self.name = PHRASES[self.lang].DEFAULT_NAME if default else self.name
        self.values = self.pending = None

    # what a user may open with
    def _open(self, first):
        kind = weighted(self.rng, _OPENERS if first else _OPENERS[:-1])
        return getattr(self, "_open_" + kind)()

    def _open_topic(self):
        return self._on_topic(pick(self.rng, self.topics), weighted(self.rng, _ABOUT_TOPIC))

    def _on_topic(self, topic, intent):
        return self._about(of_topic(self.lang, topic), intent)

    def _about(self, values, intent):
        self.values = values
        self.favourite = values["T"] if intent == "fan" else self.favourite
        return intent, _say(self.rng, self.lang, intent, {**values, "N": self._anyone()}), values

    def _open_word(self):
        rng, word = self.rng, new_word(self.rng, self.lang)
        category = pick(rng, tuple(CATEGORIES))
        intent = weighted(rng, _ABOUT_TOPIC + (("u_hint", 8),))
        if intent in ("did", "want", "u_hint"):
            return self._about(subject(self.lang, word, category), intent)
        values = self.values = subject(self.lang, word, None)
        template = "{do}"
        while "{do}" in template:
            template = wording(rng, self.lang, intent)
        self.favourite = word if intent == "fan" else self.favourite
        return {"invite": "u_invite", "dislike": "u_dislike", "fan": "tell_fav"}.get(intent, "u_any"), fill(template, {**values, "N": self._anyone()}), values

    def _open_hello(self):
        intent = weighted(self.rng, _HELLO)
        return self._intro() if intent == "intro" else self._plain(intent)

    def _intro(self):
        self.user = person(self.rng, self.lang)
        return "intro", _say(self.rng, self.lang, "intro", {"N": self.user}), self._nothing()

    def _open_feeling(self):
        feeling = pick(self.rng, FEELINGS)
        if feeling != "hungry":
            return self._plain(feeling)
        self.values = of_topic(self.lang, pick(self.rng, [t for t in self.topics if t.category == "food"]))
        return feeling, _say(self.rng, self.lang, feeling, {}), self.values

    def _open_about_you(self):
        intent = weighted(self.rng, _ABOUT_YOU)
        if intent not in ("today", "plan"):
            return self._plain(intent)
        self.values = of_topic(self.lang, pick(self.rng, self.topics))
        return intent, _say(self.rng, self.lang, intent, {}), self.values

    def _open_pick(self):
        intent = weighted(self.rng, _PICK)
        self.values = of_topic(self.lang, pick(self.rng, self.topics))
        return intent, _say(self.rng, self.lang, intent, {"cat": self.values["cat"]}), self.values

    def _open_memory(self):
        rng = self.rng
        if self.user is None and self.favourite is None and rng.random() < 0.2:
            return "recall_none", _say(rng, self.lang, "recall", {}), self._nothing()
        if self.user and rng.random() < 0.6:
            return "recall", _say(rng, self.lang, "recall", {}), self._nothing()
        if self.favourite and rng.random() < 0.8:
            return "recall_fav", _say(rng, self.lang, "recall_fav", {}), {**self._nothing(), "W": self.favourite}
        if self.user is None and rng.random() < 0.5:
            return self._intro()
        self.favourite = new_word(rng, self.lang)
        self.values = subject(self.lang, self.favourite, None)
        return "tell_fav", _say(rng, self.lang, "tell_fav", self.values), self.values

    def _open_manners(self):
        return self._manners(weighted(self.rng, _MANNERS))

    def _manners(self, intent):
        return self._plain(intent)

    def _open_fallback(self):
        nouns = [t.ja if self.lang == "ja" else t.en for t in self.topics]
        return "fallback", out_of_domain(self.rng, self.lang, nouns), self._nothing()

    def _open_unclear(self):
        return self._plain("unclear")

    # what a user may answer
    def _follow_up(self):
        intent, values = weighted(self.rng, _FOLLOW_UPS), self.values
        if values is None:
            return self._plain("nod" if intent == "agree" else "unclear", intent)
        text = _say(self.rng, self.lang, intent, {})
        return ("u_more" if values["category"] is None else intent), text, values

    def _answer(self):
        rng, values, pending = self.rng, self.values, self.pending
        kind = pending and pending.removeprefix("ask_")
        if kind in ("like", "part", "often", "how", "w_ask") and values is None:
            return None
        if kind == "like":
            return self._reply("yes" if rng.random() < 0.7 else "no")
        if kind == "part":
            return self._part()
        if kind == "often":
            often = pick(rng, PHRASES[self.lang].FREQUENCIES)
            return "often", _say(rng, self.lang, "often", {"F": often}), {**values, "F": often}
        if kind == "how":
            return self._reply("good_end" if rng.random() < 0.75 else "bad_end")
        if kind == "other" and values:
            same = [t for t in self.topics if t.category == values["category"]]
            return self._renamed("bare", "other", of_topic(self.lang, pick(rng, same))) if same else None
        if kind == "day":
            return self._about(of_topic(self.lang, pick(rng, self.topics)), "did") if rng.random() < 0.6 else self._open_feeling()
        if kind == "pick":
            return self._open_topic() if rng.random() < 0.7 else self._open_pick()
        if kind == "you":
            return self._plain("im_fine") if rng.random() < 0.6 else self._open_feeling()
        if kind == "name":
            return self._intro()
        if kind == "event":
            return self._open_feeling()
        if kind == "w_ask":
            return self._explain() if rng.random() < 0.75 else self._part("u_part")
        topic = pick(rng, self.topics)
        return self._renamed("like" if rng.random() < 0.5 else "opinion", "switch", of_topic(self.lang, topic))

    def _renamed(self, intent, wording, values):
        self.values = values
        return intent, _say(self.rng, self.lang, wording, values), values

    def _reply(self, intent):
        return intent, _say(self.rng, self.lang, intent, {}), self.values

    def _part(self, intent="part"):
        reasons = {**self.values, "category": self.values["category"] or pick(self.rng, tuple(CATEGORIES))}
        reason = draw_core(self.rng, "reason", reasons)[1]
        return intent, _say(self.rng, self.lang, "part", {"R": reason}), {**self.values, "R": reason}

    def _explain(self):
        rng, japanese = self.rng, self.lang == "ja"
        noun, category = pick(rng, tuple((KINDS_JA if japanese else KINDS_EN).items()))
        adjective = pick(rng, ADJECTIVES_JA if japanese else ADJECTIVES_EN) if rng.random() < 0.75 else ""
        described = adjective + noun if japanese else " ".join(filter(None, (_article(adjective or noun), adjective, noun)))
        word = self.values["W"]
        self.values = subject(self.lang, word, category)
        return "u_explain", _say(rng, self.lang, "u_explain", {"W": word, "E": described}), {**self.values, "E": described}

    def _plain(self, intent, wording=None):
        return intent, _say(self.rng, self.lang, wording or intent, {}), self._nothing()

    def _nothing(self):
        """Values for an answer about nothing in particular; a topic is there for those that offer one."""
        self.values = None
        return of_topic(self.lang, pick(self.rng, self.topics))

    def _anyone(self):
        return person(self.rng, self.lang)

    def _dress(self, text):
        """Small differences of spelling that mean nothing: fillers, the last mark, case."""
        rng, draw = self.rng, self.rng.random()
        if draw < 0.08 and len(text) > 3:
            text = pick(rng, PHRASES[self.lang].FILLERS) + (text if self.lang == "ja" or text[:2] in ("I ", "I'") else text[0].lower() + text[1:])
        if draw > 0.85:
            text = text.rstrip("？?。.！!") or text
        elif draw > 0.78 and self.lang == "ja":
            text = text.replace("？", "?")
        elif draw > 0.74 and text[-1] not in "？?。.！!":
            text += pick(rng, ("。", "！", "…") if self.lang == "ja" else (".", "!", "..."))
        elif draw > 0.70 and self.lang == "en":
            text = text[0].lower() + text[1:] if not text.startswith("I") else text
        return text


def _article(word):
    return "an" if word[0] in "aeiou" else "a"


def conversation(rng, weights=Z_WEIGHTS):
    """A whole talk as messages [{role, content}]."""
    kind = weighted(rng, PROMPT_SHARES)
    lang = "ja" if rng.random() < _JAPANESE else "en"
    draw_z = lambda: weighted(rng, tuple(zip(Z_LEVELS, weights[kind])))
    talk, z, messages = Talk(rng, lang), draw_z(), []
    if kind != "neutral" or rng.random() < _NEUTRAL_SYSTEM:
        text = system_prompt(rng, kind, lang, talk.name)
        named = talk.name in text
        messages.append({"role": "system", "content": text})
    else:
        named = False
    if not named:
        talk.name = PHRASES[lang].DEFAULT_NAME
    turns = weighted(rng, _TURNS)
    turns = turns if turns < 7 else 7 + int(rng.random() * (turns - 6))
    for index in range(turns):
        if index and rng.random() < _VOICE_CHANGE:
            z = draw_z()
        user, plan = talk.turn(index == 0, index == turns - 1)
        messages += [{"role": "user", "content": user}, {"role": "assistant", "content": render(rng, talk.lang, plan, z)}]
    return messages
