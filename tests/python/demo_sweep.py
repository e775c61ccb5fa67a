"""The demo model through libsteer: how style, form and the base model's view change with strength.

usage: demo_sweep.py [--write]      prints the tables; --write puts them into docs/demo_model.md

100 prompts that no training talk holds, all of a strength in one batch of sessions, temperature 0.7 and top-p 0.9, equal
seeds at every strength. style and form are those of examples/demo_model/score.py: a lexicon and the text generator itself.
"""
import argparse
import random

import doc_tables
import steer_c
from demo_replies import DEMO, load_prompts, np, speak

STRENGTHS = (-5, 0, 2, 4, 6, 8, 10, 12)
SAFE = 8  # the strength that the table's marks allow: form >= 0.97, and what the page recommends
CONTRARY = {"ja": "丁寧な敬語で話してください。", "en": "Be polite."}


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


def measure(model, prompts, vector, strength, system=None, temperature=0.7):
    """(mean style, mean form, styles)"""
    replies = speak(model, prompts, lambda session: session.inject(vector, strength), system=system, temperature=temperature)
    styles = [reply.style for reply in replies]
    return np.mean(styles), np.mean([reply.form for reply in replies]), styles


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


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    made = sweep()
    if parser.parse_args().write:
        doc_tables.put("demo_model.md", {"sweep": [*made, "", doc_tables.made_by("demo_sweep.py", "float32")]})
