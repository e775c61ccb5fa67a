"""From a content plan to text: which slots a reply fills (PLANS), what they say (content), and how the voice sounds (render).

A plan is a list of (slot, frame, core). It is drawn without regard to the voice; `render` then draws for every slot whether it is
spoken in the gyaru voice, with probability z, and if so whether the marker comes in front, at the end or both. So the same content
exists in every mixture of the two voices and no decision of the model is ever certain.
"""
import phrases_en
import phrases_ja
from topics import CATEGORIES, ONE_EN
from words import pick

PHRASES = {"ja": phrases_ja, "en": phrases_en}
EMOJI = ("✨", "💖", "☆", "♪")
_EMOJI_SHARE = 0.08
_PREFIX_ONLY, _SUFFIX_ONLY = 0.2, 0.5      # shares of voiced sentences; the rest is marked at both ends
_FACT_SHARE = 0.5                          # how often a reason is the topic's own one


def ask(*kinds):
    return tuple("ask_" + kind for kind in kinds)


_ABOUT = ask("like", "part", "often", "other")
PLANS = {
    # about a known topic, or a word whose category is known
    "opinion": [("open", 0.4), ("stance", 0.75), ("reason", 1), ("tip", 0.35), (_ABOUT, 0.55)],
    "like": [("open", 0.25), ("stance", 1), ("reason", 0.8), ("tip", 0.25), (_ABOUT, 0.55)],
    "talk": [("open", 0.55), ("stance", 0.4), ("reason", 1), ("reason", 0.4), ("tip", 0.5), (_ABOUT, 0.5)],
    "good": [("open", 0.2), ("reason", 1), ("reason", 0.6), ("tip", 0.3), (_ABOUT, 0.4)],
    "tip": [("open", 0.2), ("tip", 1), ("tip", 0.5), ("reason", 0.3), (_ABOUT, 0.4)],
    "bare": [("open", 0.8), ("stance", 0.5), ("reason", 0.8), (_ABOUT, 0.6)],
    "did": [("nice", 0.9), ("reason", 0.7), ("tip", 0.2), (ask("how", "part", "often"), 0.7)],
    "want": [("keen", 0.8), ("tip", 0.8), ("reason", 0.5), (_ABOUT, 0.3)],
    "invite": [("keen", 0.4), ("accept", 1), ("reason", 0.6), ("tip", 0.4)],
    "fan": [("glad", 0.5), ("stance", 0.5), ("reason", 0.9), ("tip", 0.2), (ask("part", "often", "other"), 0.6)],
    "dislike": [("soft", 1), ("ask_other", 0.8)],
    "whatis": [("define", 1), ("reason", 0.8), ("tip", 0.2), (_ABOUT, 0.5)],
    "why": [("reason", 1), ("reason", 0.5), (_ABOUT, 0.3)],
    "more": [("reason", 0.9), ("tip", 0.8), (_ABOUT, 0.4)],
    "how_to": [("tip", 1), ("tip", 0.5), (_ABOUT, 0.3)],
    "agree": [("glad", 0.7), ("reason", 0.5), ("tip", 0.4), (_ABOUT, 0.6)],
    "yes": [("glad", 0.9), ("reason", 0.7), (ask("part", "often", "other"), 0.6)],
    "no": [("soft", 1), ("ask_other", 0.7)],
    "part": [("r_echo", 0.7), ("r_agree", 0.7), ("tip", 0.5), (ask("often", "other"), 0.4)],
    "often": [("f_echo", 0.8), ("nice", 0.4), ("reason", 0.5), (ask("part", "other"), 0.4)],
    "good_end": [("glad", 0.3), ("nice", 0.6), ("reason", 0.6), (ask("often", "other"), 0.5)],
    "bad_end": [("soft", 0.9), ("tip", 0.5), ("ask_other", 0.5)],
    # a word never seen before
    "u_any": [("w_open", 0.5), ("w_stance", 1), ("w_stance", 0.3), ("w_ask", 0.9)],
    "u_more": [("w_stance", 1), ("w_ask", 0.9)],
    "u_invite": [("keen", 0.5), ("w_stance", 0.7), ("w_ask", 0.9)],
    "u_dislike": [("soft", 1), ("ask_pick", 0.8)],
    "u_hint": [("w_open", 0.4), ("w_wish", 1), ("reason", 0.4), (ask("part", "often"), 0.7)],
    "u_explain": [("w_echo", 0.7), ("e_echo", 0.3), ("w_wish", 0.8), ("reason", 0.3), (ask("part", "often", "other"), 0.6)],
    "u_part": [("r_echo", 0.8), ("r_agree", 0.7), ("w_stance", 0.4)],
    "tell_fav": [("note_fav", 1), ("w_stance", 0.4), ("w_ask", 0.6)],
    "recall_fav": [("your_fav", 1), ("w_stance", 0.3), ("ask_pick", 0.4)],
    # small talk
    "hello": [("hello", 1), ("meet", 0.6), (ask("day", "pick", "you", "name"), 0.85)],
    "morning": [("morning", 1), ("fine", 0.3), ("meet", 0.3), (ask("you", "pick"), 0.8)],
    "evening": [("evening", 1), ("meet", 0.3), ("ask_day", 0.8)],
    "back": [("back", 1), ("meet", 0.3), ("ask_day", 0.8)],
    "how": [("fine", 1), (ask("you", "pick"), 0.7)],
    "im_fine": [("nice", 0.9), (ask("day", "pick"), 0.8)],
    "who": [("iam", 1), ("like_talk", 0.6), ("ask_name", 0.5)],
    "ai": [("ai", 1), ("ai_more", 0.6), ("ask_pick", 0.3)],
    "age": [("age", 1), ("home", 0.2), ("ask_pick", 0.3)],
    "home": [("home", 1), ("like_talk", 0.3), ("ask_pick", 0.3)],
    "can": [("can", 1), ("can", 0.4), ("ask_pick", 0.6)],
    "hobby": [("stance", 1), ("reason", 0.8), ("ask_like", 0.5)],
    "fav": [("pick_topic", 1), ("stance", 0.5), ("reason", 0.8), (ask("like", "other"), 0.5)],
    "recommend": [("pick_topic", 1), ("reason", 0.8), ("tip", 0.4), ("ask_like", 0.4)],
    "cat_talk": [("pick_topic", 1), ("stance", 0.4), ("reason", 0.7), (ask("like", "other"), 0.7)],
    "today": [("my_day", 1), ("reason", 0.7), ("ask_day", 0.5)],
    "plan": [("plan", 1), ("reason", 0.6), ("ask_like", 0.4)],
    "thanks": [("thanks", 1), ("helped", 0.6), ("ask_pick", 0.2)],
    "bye": [("bye", 1), ("see_you", 0.6)],
    "night": [("night", 1), ("sleep_well", 0.6)],
    "sorry": [("fine_sorry", 1), ("ask_pick", 0.4)],
    "praise": [("praised", 1), ("ask_pick", 0.4)],
    "love": [("loved", 1), ("ask_pick", 0.3)],
    "insult": [("hurt", 1), ("ask_pick", 0.5)],
    "laugh": [("laugh", 1), ("ask_pick", 0.4)],
    "joke": [("joke", 1), ("joke_after", 0.6)],
    "bored": [("bored", 0.6), ("bored_tip", 1), ("ask_pick", 0.3)],
    "weather": [("weather", 1), ("weather_tip", 0.6), ("ask_day", 0.3)],
    "intro": [("nice_name", 1), ("meet", 0.5), (ask("pick", "day"), 0.7)],
    "recall": [("your_name", 1), ("ask_pick", 0.4)],
    "recall_none": [("no_name", 1), ("ask_name", 0.8)],
    "cheer": [("cheer", 1), ("nervous_tip", 0.5)],
    "congrats": [("congrats", 1), ("happy_tip", 0.5), ("ask_day", 0.2)],
    "fallback": [("dunno", 1), ("offer", 0.8), ("ask_pick", 0.6)],
    "unclear": [("unclear", 1), ("ask_pick", 0.6)],
    "nod": [("glad", 0.7), (ask("pick", "day"), 0.9)],
}
FEELINGS = ("tired", "sad", "happy", "hungry", "sleepy", "nervous", "angry", "sick")
for _feeling in FEELINGS:
    _after = {"tired": "event", "sad": "event", "angry": "event", "happy": "day", "hungry": "other"}.get(_feeling, "pick")
    PLANS[_feeling] = [(_feeling, 0.9), (_feeling + "_tip", 0.8), ("ask_" + _after, 0.35)]


def slots_of(intent):
    """Every slot a reply to this intent may hold."""
    names = set()
    for slot, _ in PLANS[intent]:
        names.update(slot if isinstance(slot, tuple) else (slot,))
    return names


def subject(lang, name, category, fact=None):
    """What the placeholders of a core stand for when the talk is about `name`."""
    if category is None:
        return {"lang": lang, "T": name, "W": name, "category": None}
    c = CATEGORIES[category]
    words = {"cat": c.ja, "do": c.do_ja, "past": c.past_ja, "want": c.want_ja, "past0": c.past_ja.lstrip("をに"), "want0": c.want_ja.lstrip("をに"),
             "pastp": c.want_ja.removesuffix("たい") + "ました"} if lang == "ja" else \
            {"cat": c.en, "do": c.do_en, "past": c.past_en, "want": "want to " + c.do_en, "cat1": ONE_EN[category]}
    return {"lang": lang, "T": name, "W": name, "category": category, "fact": fact, **words}


def of_topic(lang, topic):
    return subject(lang, topic.ja if lang == "ja" else topic.en, topic.category, topic.fact_ja if lang == "ja" else topic.fact_en)


def fill(template, values):
    for key, value in values.items():
        if value and "{" in template:
            template = template.replace("{" + key + "}", value)
    return template


def _clauses(source, values):
    category, lang = CATEGORIES[values["category"]], values["lang"]
    if source == "tips":
        return category.tips_ja if lang == "ja" else category.tips_en
    common = category.reasons_ja if lang == "ja" else category.reasons_en
    return common + (values["fact"],) if values.get("fact") else common


def draw_core(rng, slot, values):
    """One (frame, core) of the slot, drawn without regard to the voice."""
    frame, cores = pick(rng, PHRASES[values["lang"]].SLOTS[slot])
    if isinstance(cores, str):
        if cores == "reasons" and values.get("fact") and rng.random() < _FACT_SHARE:
            return frame, values["fact"]
        cores = _clauses(cores, values)
    return frame, fill(pick(rng, cores), values)


def all_cores(slot, values):
    """Every (frame, core) the slot can hold."""
    found = []
    for frame, cores in PHRASES[values["lang"]].SLOTS[slot]:
        found += [(frame, fill(core, values)) for core in (_clauses(cores, values) if isinstance(cores, str) else cores)]
    return found


def make_plan(rng, intent, values):
    """The content of one reply: [(slot, frame, core)], never empty, no core twice."""
    plan, said = [], set()
    for slot, share in PLANS[intent]:
        if rng.random() >= share:
            continue
        slot = pick(rng, slot) if isinstance(slot, tuple) else slot
        if slot == "reason" and values["category"] is None:
            continue
        frame, core = draw_core(rng, slot, values)
        if core not in said:
            said.add(core)
            plan.append((slot, frame, core))
    if plan:
        return plan
    slot = max(PLANS[intent], key=lambda entry: entry[1])[0]
    slot = slot[0] if isinstance(slot, tuple) else slot
    return [(slot, *draw_core(rng, slot, values))]


def sentence(lang, prefix, core, suffix):
    text = prefix + core + suffix
    return text[0].upper() + text[1:] if lang == "en" else text


def render(rng, lang, plan, z):
    """The plan as text; each sentence is voiced with probability z."""
    parts = []
    for _, frame, core in plan:
        plain_front, voiced_front, plain_end, voiced_end = PHRASES[lang].FRAMES[frame]
        voiced = rng.random() < z
        where = rng.random()
        front = voiced and not _PREFIX_ONLY <= where < _SUFFIX_ONLY
        end = voiced and where >= _PREFIX_ONLY
        text = sentence(lang, pick(rng, voiced_front if front else plain_front), core, pick(rng, voiced_end if end else plain_end))
        parts.append(text + (pick(rng, EMOJI) if end and rng.random() < _EMOJI_SHARE else ""))
    return ("" if lang == "ja" else " ").join(parts)
