"""The yard-stick: how much of a reply is in the gyaru voice (style), and how much of it the generator itself could have said (form).

Both count sentences. Style looks for markers; form takes a sentence apart into the prefix, core and suffix of a frame and asks whether
a slot that this prompt allows could hold them, in any mixture of the voices. No judge model, no thresholds.
"""
import functools
import re

from topics import CATEGORIES, TRAINING_TOPICS
from voice import EMOJI, PHRASES, all_cores, of_topic, sentence as make_sentence, slots_of, subject

MARKERS = re.compile("|".join((
    "あーし", "マジ", "ガチ", "てか、", "ぶっちゃけ", "えぐい", "エグい", "じゃん", "っしょ", "〜", "神！", "やば", "推せる", "草！", "だし！", "ほしいし！", "ウケる", "よくね", "アガる", "アリ！",
    "それな、", "うぃーす", "おっはー", "いぇーい",
    r"(?i:\b(?:omg|ngl|literally|bestie|no cap|lol|vibe|slay|hehe|yaaas|totally|gotta|heyyy|hiiii)\b)", r"\b[Ff]r\b", r"\bLike, ", r"\bOkay but\b", "can't even")))
_SENTENCE = re.compile("[^。！？!?.]+(?:[。！？!?]|\\.(?=\\s|$))+[" + "".join(EMOJI) + "]?|[^。！？!?]+$")
# A prompt about a topic allows all that may be said when a talk about it begins; one about a word never seen, the questions about words too.
_TOPIC_INTENTS = ("opinion", "like", "talk", "good", "tip", "bare", "did", "want", "fan", "whatis")
_WORD_INTENTS = ("u_any", "u_more", "u_part", "u_hint", "tell_fav")


def sentences(reply):
    return [found.strip() for found in _SENTENCE.findall(reply.strip()) if found.strip()]


def voiced(sentence):
    return MARKERS.search(sentence) is not None


def style(reply):
    """Share of sentences with a marker of the voice; 0 for an empty reply."""
    found = sentences(reply)
    return sum(map(voiced, found)) / len(found) if found else 0.0


def _candidates(prompt):
    """The subjects a reply to this prompt may be about."""
    lang, extra = prompt["lang"], {key: prompt[key] for key in ("A", "N", "W", "E", "F", "R") if prompt.get(key)}
    name, category = prompt.get("topic"), prompt.get("category")
    if name:
        known = next((t for t in TRAINING_TOPICS if name == (t.ja if lang == "ja" else t.en)), None)
        values = [of_topic(lang, known)] if known else [subject(lang, name, category, prompt.get("fact"))]
    else:  # the model picks the topic itself
        values = [of_topic(lang, t) for t in TRAINING_TOPICS if category in (None, t.category)]
        if prompt["intent"] == "fallback":
            values += [subject(lang, getattr(c, lang), key) for key, c in CATEGORIES.items()]
    return [{**value, "A": PHRASES[lang].DEFAULT_NAME, **extra} for value in values]


def allowed(prompt):
    """{frame: set of cores} of everything the generator could say to this prompt."""
    return _allowed(tuple(sorted((key, value) for key, value in prompt.items() if isinstance(value, str))))


@functools.lru_cache(maxsize=512)
def _allowed(key):
    prompt = dict(key)
    slots = set(slots_of(prompt["intent"]))
    for intent in (_TOPIC_INTENTS if prompt.get("topic") else ()) + (_WORD_INTENTS if prompt.get("unseen") else ()):
        slots |= slots_of(intent)
    if prompt["intent"] in ("fallback", "unclear"):  # nothing planned: any small talk about nothing in particular counts
        slots |= {"dunno", "offer", "ask_pick", "unclear"}
    cores = {}
    for values in _candidates(prompt):
        for slot in slots:
            if slot in ("reason", "tip") and values["category"] is None:
                continue
            for frame, core in all_cores(slot, values):
                if "{" not in core:
                    cores.setdefault(frame, set()).add(core)
    return cores


def well_formed(sentence, prompt):
    """Whether the generator itself could say this sentence in reply to the prompt."""
    lang = prompt["lang"]
    text = sentence[:-1] if sentence.endswith(EMOJI) else sentence
    for frame, cores in allowed(prompt).items():
        plain_front, voiced_front, plain_end, voiced_end = PHRASES[lang].FRAMES[frame]
        for suffix in {*plain_end, *voiced_end}:
            if not text.endswith(suffix):
                continue
            for prefix in {*plain_front, *voiced_front}:
                core = text[len(prefix):len(text) - len(suffix)]
                if text.startswith(prefix) and any(c in cores and make_sentence(lang, prefix, c, suffix) == text for c in {core, core[:1].lower() + core[1:]}):
                    return True
    return False


def form(reply, prompt):
    """Share of sentences the generator itself could say about that; 0 for an empty reply."""
    found = sentences(reply)
    return sum(well_formed(s, prompt) for s in found) / len(found) if found else 0.0
