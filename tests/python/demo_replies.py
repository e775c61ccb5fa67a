"""Replies of the demo model, all of a call computed together, with what libsteer said of every token."""

import json
import os
import pathlib
import sys
from dataclasses import dataclass, field

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small matrices: a second thread costs more than it does

import numpy as np  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "examples/demo_model"
sys.path[:0] = [str(DEMO), str(pathlib.Path(__file__).resolve().parent)]
import score  # noqa: E402
import steer_c as sc  # noqa: E402


@dataclass
class Reply:
    prompt: dict
    text: str = ""
    steps: list = field(default_factory=list)  # those with a token

    @property
    def style(self):
        return score.style(self.text)

    @property
    def form(self):
        return score.form(self.text, self.prompt)

    @property
    def flags(self):
        return np.bitwise_or.reduce([step.flags for step in self.steps], initial=0)

    def gauge(self, gauge):
        """The mean over the reply."""
        return np.mean([step.gauges[sc.slot(gauge)] for step in self.steps])


def load_prompts(count=100):
    """Questions that no training talk holds."""
    lines = (DEMO / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    return [p for p in map(json.loads, lines) if p["set"] == "main"][:count]


def load_pairs(split=None, by_system=False):
    """Contrast pairs, all or of a split: two replies to a prompt, or what they are under the pair's two system texts. Grouped by topic."""
    pairs = [json.loads(line) for line in (DEMO / "contrast.jsonl").read_text(encoding="utf-8").splitlines()]
    topics = sorted({pair["group"] for pair in pairs})

    def passage(pair, side):
        return pair["system_" + side] if by_system else None, pair["prompt"], pair[side]

    return [(passage(p, "positive"), passage(p, "negative"), topics.index(p["group"])) for p in pairs
            if split in (None, p["split"])]


def speak(model, prompts, set_up, system=None, options=None, **generation):
    """One reply to each prompt. set_up(session) adds what steers and reads; system: {language: text}; options: of the sessions."""
    replies, sessions = [], []
    for index, prompt in enumerate(prompts):
        messages = [("system", system[prompt["lang"]])] if system else []
        ids, marks = model.chat_encode(messages + [("user", prompt["prompt"])])
        session = model.session(**(options or {}))
        session.set_generation(**{"temperature": 0.7, "top_p": 0.9, "token_max": 96, "seed": index + 1, **generation})
        set_up(session)
        session.set_tokens(ids, marks=marks)
        sessions.append(session)
        replies.append(Reply(prompt))
    running = list(zip(replies, sessions, strict=True))
    while running:
        steps = sc.step_many([session for _, session in running])
        for (reply, _), step in zip(running, steps):
            sc.check(step.status, sc.Error())
            reply.text += step.text
            if step.token >= 0:
                reply.steps.append(step)
        running = [row for row, step in zip(running, steps) if not step.finish]
    for session in sessions:
        session.close()
    return replies
