"""The demo model through libsteer: how style, form and the base model's view change with strength.

usage: demo_sweep.py [--write]      prints the tables; --write puts them into docs/demo_model.md

100 prompts that no training talk holds, all of a strength in one batch of sessions, temperature 0.7 and top-p 0.9, equal
seeds at every strength. style and form are those of examples/demo_model/score.py: a lexicon and the text generator itself.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small matrices: a second thread costs more than it does

import numpy as np  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "examples/demo_model"
sys.path[:0] = [str(DEMO), str(pathlib.Path(__file__).resolve().parent)]
import score  # noqa: E402
import steer_c  # noqa: E402

STRENGTHS = (-5, 0, 2, 4, 6, 8, 10, 12)
SAFE = 8  # the strength that the table's marks allow: form >= 0.97, and what the page recommends
CONTRARY = {"ja": "丁寧な敬語で話してください。", "en": "Be polite."}


def load_prompts(count=100):
    lines = (DEMO / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    return [p for p in map(json.loads, lines) if p["set"] == "main"][:count]


def open_demo():
    model = steer_c.Model(str(DEMO / "model"))
    return model, steer_c.Vector.load(str(DEMO / "vectors/gyaru.safetensors"))


def random_vector(model, vector, seed=0):
    """Rows of the same lengths in directions that mean nothing."""
    info, draw = vector.info, np.random.default_rng(seed)
    rows = []
    for layer in range(info.layer_begin, info.layer_end):
        row = draw.standard_normal(info.hidden_size).astype(np.float32)
        rows.append(row * (np.linalg.norm(vector.row(layer)) / np.linalg.norm(row)))
    return steer_c.Vector.create(rows, layer_begin=info.layer_begin)


def replies(model, prompts, vector, strength, system=None, temperature=0.7):
    """One reply to each prompt, all computed together."""
    sessions = []
    for index, prompt in enumerate(prompts):
        messages = [("system", system[prompt["lang"]])] if system else []
        ids, marks = model.chat_encode(messages + [("user", prompt["prompt"])])
        session = model.session()
        session.set_generation(temperature=temperature, top_p=0.9, token_max=96, seed=index + 1)
        session.inject(vector, strength)
        session.set_tokens(ids, marks=marks)
        sessions.append(session)
    texts, running = [""] * len(sessions), list(range(len(sessions)))
    while running:
        steps = steer_c.step_many([sessions[i] for i in running])
        for i, step in zip(running, steps):
            steer_c.check(step.status, steer_c.Error())
            texts[i] += step.text
        running = [i for i, step in zip(running, steps) if not step.finish]
    return texts


def measure(model, prompts, vector, strength, **how):
    """(mean style, mean form, styles)"""
    texts = replies(model, prompts, vector, strength, **how)
    styles = [score.style(text) for text in texts]
    return np.mean(styles), np.mean([score.form(text, prompt) for text, prompt in zip(texts, prompts)]), styles


def interval(values, draws=1000):
    """95 % of the mean, by bootstrap over prompts."""
    random.seed(0)
    means = sorted(np.mean(random.choices(values, k=len(values))) for _ in range(draws))
    return means[int(0.025 * draws)], means[int(0.975 * draws)]


def sweep():
    """The table, as lines of Markdown."""
    model, vector = open_demo()
    prompts, nonsense = load_prompts(), random_vector(model, vector)
    lines = ["| strength | style | 95 % | form | greedy style | contrary prompt: style / form | random vector: style |", "|" + "---|" * 7]
    for strength in STRENGTHS:
        style, form, styles = measure(model, prompts, vector, strength)
        greedy, _, _ = measure(model, prompts, vector, strength, temperature=0.0)
        contrary, contrary_form, _ = measure(model, prompts, vector, strength, system=CONTRARY)
        other, _, _ = measure(model, prompts, nonsense, strength)
        low, high = interval(styles)
        lines.append(f"| {strength} | {style:.3f} | {low:.2f} .. {high:.2f} | {form:.3f} | {greedy:.3f} | {contrary:.3f} / "
                     f"{contrary_form:.3f} | {other:.3f} |")
        print(lines[-1], flush=True)
    return lines


def write(lines):
    """Puts the table between its marks in docs/demo_model.md."""
    page = ROOT / "docs/demo_model.md"
    text = page.read_text(encoding="utf-8")
    begin, end = "<!-- sweep -->\n", "<!-- /sweep -->\n"
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    made = f"\n`tests/python/demo_sweep.py --write` on {os.uname().machine}, float32, at {commit}.\n"
    head, rest = text.split(begin)
    page.write_text(head + begin + "\n".join(lines) + "\n" + made + end + rest.split(end)[1], encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    made = sweep()
    if parser.parse_args().write:
        write(made)
