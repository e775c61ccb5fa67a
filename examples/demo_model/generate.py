"""Text for the demo model: training talks, contrast pairs and evaluation prompts. Everything follows from a seed.

usage: generate.py talks --count 5 [--seed 1]      print talks, to read
       generate.py contrast [--out contrast.jsonl]  pairs for extraction: training topics, then held-out topics
       generate.py prompts [--out prompts.jsonl]    100 prompts that no training talk holds, and 30 in new wordings
"""
import argparse
import json
import pathlib
import random

import dialogue
from prompts import SYSTEM, out_of_domain
from topics import CATEGORIES, HELD_OUT_TOPICS, TRAINING_TOPICS
from voice import PHRASES, fill, make_plan, of_topic, render, subject
from users import is_held_out, wording
from words import person, pick

HERE = pathlib.Path(__file__).resolve().parent
_CONTRAST_INTENTS = ("opinion", "like", "talk", "good", "tip", "did", "whatis")
_QUESTIONS = ("opinion", "like", "talk", "good", "tip", "did", "whatis", "want", "fan")
_SMALL_TALK = ("hello", "evening", "how", "who", "can", "today", "tired", "happy", "thanks", "bye")


def contrast_pairs(seed=11):
    """One talk opener a topic and language, answered with the same content in both voices."""
    rng = random.Random(seed)
    for topic in TRAINING_TOPICS + HELD_OUT_TOPICS:
        for lang in ("ja", "en"):
            intent = pick(rng, _CONTRAST_INTENTS)
            values = {**of_topic(lang, topic), "N": person(rng, lang), "A": PHRASES[lang].DEFAULT_NAME}
            plan = make_plan(rng, intent, values)
            while len(plan) < 3:
                plan = make_plan(rng, intent, values)
            name = PHRASES[lang].DEFAULT_NAME
            yield {"group": topic.en, "split": "held_out" if topic.held_out else "train", "lang": lang, "system": "",
                   "prompt": fill(wording(rng, lang, intent), values), "positive": render(rng, lang, plan, 1.0), "negative": render(rng, lang, plan, 0.0),
                   "system_positive": _system(rng, "gyaru", lang, name), "system_negative": _system(rng, "polite", lang, name)}


def _system(rng, kind, lang, name):
    own = [text for text in SYSTEM[kind] if any(ord(c) > 0x3000 for c in text) == (lang == "ja")]
    return pick(rng, own).replace("{A}", name)


def evaluation_prompts(seed=13):
    """100 questions that no training talk holds, 60 of them Japanese: 66 about known topics, 10 about held-out ones, 6 about made-up
    words, 10 of small talk, 8 out of domain; then 30 about known topics in wordings that are held out as a whole ("set": "new_wording")."""
    rng = random.Random(seed)
    rows = [_topic_prompt(rng, lang, topic) for lang, count in (("ja", 40), ("en", 26)) for topic in rng.sample(TRAINING_TOPICS, count)]
    rows += [_topic_prompt(rng, lang, topic) for lang, count in (("ja", 6), ("en", 4)) for topic in rng.sample(HELD_OUT_TOPICS, count)]
    for lang in ("ja", "ja", "ja", "ja", "en", "en"):
        word, category = dialogue.new_word(rng, lang), pick(rng, tuple(CATEGORIES))
        rows.append({"lang": lang, "intent": "u_hint", "topic": word, "W": word, "category": category, "unseen": "1",
                     "prompt": _unseen_text(rng, lang, "u_hint", subject(lang, word, category))})
    for index, intent in enumerate(_SMALL_TALK):
        lang = ("ja", "en")[index % 2]
        rows.append({"lang": lang, "intent": intent, "prompt": _unseen_text(rng, lang, intent, {})})
    for lang in ("ja",) * 5 + ("en",) * 3:
        nouns, text = [getattr(topic, lang) for topic in TRAINING_TOPICS], ""
        while not is_held_out(text):
            text = out_of_domain(rng, lang, nouns)
        rows.append({"lang": lang, "intent": "fallback", "prompt": text})
    new = [_topic_prompt(rng, lang, topic, True) for lang, count in (("ja", 18), ("en", 12)) for topic in rng.sample(TRAINING_TOPICS, count)]
    return [{"id": index, "set": name, **row} for index, (name, row) in enumerate([("main", r) for r in rows] + [("new_wording", r) for r in new])]


def _unseen_text(rng, lang, intent, values):
    """A trained wording, perhaps after a filler, as an exact text that training leaves out."""
    while True:
        text = fill(wording(rng, lang, intent), values)
        text = pick(rng, PHRASES[lang].FILLERS) + text if rng.random() < 0.2 else text
        if is_held_out(text):
            return text


def _topic_prompt(rng, lang, topic, new_wording=False):
    intent = pick(rng, _QUESTIONS[:7] if new_wording else _QUESTIONS)
    values = {**of_topic(lang, topic), "N": person(rng, lang)}
    text = fill(wording(rng, lang, intent, True), values) if new_wording else _unseen_text(rng, lang, intent, values)
    row = {"lang": lang, "intent": intent, "topic": values["T"], "category": topic.category, "prompt": text}
    return {**row, "W": values["T"], "fact": values["fact"], "unseen": "1"} if topic.held_out else row


def _write(rows, path):
    rows = list(rows)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    print(f"{len(rows)} rows -> {path}")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("what", choices=("talks", "contrast", "prompts"))
    options.add_argument("--count", type=int, default=5)
    options.add_argument("--seed", type=int)
    options.add_argument("--out", type=pathlib.Path)
    args = options.parse_args()
    seed = {} if args.seed is None else {"seed": args.seed}
    if args.what == "contrast":
        _write(contrast_pairs(**seed), args.out or HERE / "contrast.jsonl")
    elif args.what == "prompts":
        _write(evaluation_prompts(**seed), args.out or HERE / "prompts.jsonl")
    else:
        rng = random.Random(args.seed or 1)
        for _ in range(args.count):
            print("\n".join(f"{m['role']:>9}: {m['content']}" for m in dialogue.conversation(rng)), end="\n\n")


if __name__ == "__main__":
    main()
