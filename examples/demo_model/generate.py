"""Text for the demo model: training talks, contrast pairs and evaluation prompts. Everything follows from a seed.

usage: generate.py talks --count 5 [--seed 1]      print talks, to read
       generate.py contrast [--out contrast.jsonl]  pairs for extraction: training topics, then held-out topics
       generate.py prompts [--out prompts.jsonl]    100 prompts whose wording no training talk has
"""
import argparse
import json
import pathlib
import random

import dialogue
from prompts import SYSTEM, out_of_domain
from topics import CATEGORIES, HELD_OUT_TOPICS, TRAINING_TOPICS
from voice import PHRASES, fill, make_plan, of_topic, render, subject
from words import person, pick

HERE = pathlib.Path(__file__).resolve().parent
_CONTRAST_INTENTS = ("opinion", "like", "talk", "good", "tip", "did", "whatis")
_HELD_OUT_WORDINGS = ("opinion", "like", "talk", "good", "tip", "did", "whatis")
_SMALL_TALK = (("ja", "hello", "どうも、こんにちは"), ("en", "hello", "Well hello"), ("ja", "evening", "こんばんは、少しいい？"), ("en", "morning", "Good morning to you"),
               ("ja", "who", None), ("en", "who", None), ("ja", "today", None), ("en", "today", None), ("ja", "tired", None), ("en", "tired", None),
               ("ja", "thanks", "本当にありがとう"), ("en", "thanks", "Many thanks"))


def contrast_pairs(seed=11):
    """One talk opener a topic and language, answered with the same content in both voices."""
    rng = random.Random(seed)
    for topic in TRAINING_TOPICS + HELD_OUT_TOPICS:
        for lang in ("ja", "en"):
            intent = pick(rng, _CONTRAST_INTENTS)
            values = {**of_topic(lang, topic), "N": person(rng, lang), "A": PHRASES[lang].DEFAULT_NAME}
            wordings = dialogue.trained(PHRASES[lang].USER[intent])
            plan = make_plan(rng, intent, values)
            while len(plan) < 3:
                plan = make_plan(rng, intent, values)
            name = PHRASES[lang].DEFAULT_NAME
            yield {"group": topic.en, "split": "held_out" if topic.held_out else "train", "lang": lang, "system": "",
                   "prompt": fill(pick(rng, wordings), values), "positive": render(rng, lang, plan, 1.0), "negative": render(rng, lang, plan, 0.0),
                   "system_positive": _system(rng, "gyaru", lang, name), "system_negative": _system(rng, "polite", lang, name)}


def _system(rng, kind, lang, name):
    own = [text for text in SYSTEM[kind] if any(ord(c) > 0x3000 for c in text) == (lang == "ja")]
    return pick(rng, own).replace("{A}", name)


def evaluation_prompts(seed=13):
    """60 about known topics, 14 about held-out ones, 6 about made-up words, 12 of small talk, 8 out of domain; 60 of the 100 Japanese."""
    rng = random.Random(seed)
    rows = [_topic_prompt(rng, lang, topic) for lang, count in (("ja", 36), ("en", 24)) for topic in rng.sample(TRAINING_TOPICS, count)]
    rows += [_topic_prompt(rng, lang, topic) for lang, count in (("ja", 9), ("en", 5)) for topic in rng.sample(HELD_OUT_TOPICS, count)]
    for lang in ("ja", "ja", "ja", "ja", "en", "en"):
        word, category = dialogue.new_word(rng, lang), pick(rng, tuple(CATEGORIES))
        text = fill(pick(rng, PHRASES[lang].USER["u_hint"]), subject(lang, word, category))
        rows.append({"lang": lang, "intent": "u_hint", "topic": word, "W": word, "category": category, "unseen": "1", "prompt": text})
    for lang, intent, text in _SMALL_TALK:
        rows.append({"lang": lang, "intent": intent, "prompt": text or pick(rng, dialogue.held_out(PHRASES[lang].USER[intent]))})
    for lang in ("ja",) * 5 + ("en",) * 3:
        nouns = [getattr(topic, lang) for topic in TRAINING_TOPICS]
        rows.append({"lang": lang, "intent": "fallback", "prompt": out_of_domain(rng, lang, nouns)})
    return [{"id": index, **row} for index, row in enumerate(rows)]


def _topic_prompt(rng, lang, topic):
    intent = pick(rng, _HELD_OUT_WORDINGS)
    values = {**of_topic(lang, topic), "N": person(rng, lang)}
    row = {"lang": lang, "intent": intent, "topic": values["T"], "category": topic.category,
           "prompt": fill(pick(rng, dialogue.held_out(PHRASES[lang].USER[intent])), values)}
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
