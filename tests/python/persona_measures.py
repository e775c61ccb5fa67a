"""What persona vectors do on the demo model, measured: leak of the readings, recipes, budget, hold, guard.

usage: persona_measures.py [--write]      prints the tables; --write puts them into docs/persona_measures.md

Style and form are the generator's own scores (examples/demo_model/score.py), which know nothing of libsteer. Vectors are made of
the pairs' training split and calibrated on the topics that it does not hold; prompts are those that no training talk holds.
"""
import argparse
from dataclasses import dataclass

import doc_tables
from demo_replies import DEMO, load_pairs, load_prompts, np, sc, score, speak

LAYERS = {"layer_begin": 2, "layer_end": 7}
LEGACY = {"method": sc.METHOD_PCA_CENTRED, "pooling": sc.POOL_LAST}  # what the older extraction script did
BUDGET = 1.0
READINGS = {"raw": sc.READING_RAW, "own": sc.READING_OWN, "corrected": sc.READING_OWN_CORRECTED, "twin": sc.READING_TWIN}


def open_model():
    return sc.Model(str(DEMO / "model"))


def shipped_vector():
    return sc.Vector.load(str(DEMO / "vectors/gyaru.safetensors"))


def calibrated(model, vector):
    return vector.calibrate(model, load_pairs("held_out"), seed=3, **LAYERS)


def by_recipe(model, **recipe):
    return calibrated(model, sc.Vector.extract(model, load_pairs("train"), holdout=0.2, **LAYERS, **recipe))


# ---- how much of the slider each reading shows ----------------------------------


@dataclass
class Leak:
    """Of a reading, in persona gaps: change at equal style from strength 0 to this one, and how it goes with style."""

    change: float
    style: float


def reply_means(model, vector, strength, prompts, layer):
    """[style, strength, readings] of each reply; readings are calibrated, 0 neutral and 1 persona."""
    ids = {}

    def set_up(session):
        for name, reading in READINGS.items():
            scale = sc.SCALE_NATURAL if name == "raw" else sc.SCALE_CALIBRATED  # raw has no calibrated scale under a push
            ids[name] = session.gauge(vector, layer, reading=reading, scale=scale)
        ids["natural own"] = session.gauge(vector, layer, reading=sc.READING_OWN)
        session.inject(vector, strength, unit=sc.UNIT_RELATIVE)

    replies = speak(model, prompts, set_up, options={"twin": 1})
    own = np.array([[step.gauges[sc.slot(ids[name])] for name in ("natural own", "own")] for r in replies for step in r.steps])
    gain, offset = np.polyfit(own[:, 0], own[:, 1], 1)  # the calibrated scale is a line
    return [[r.style, strength, gain * r.gauge(ids["raw"]) + offset, *(r.gauge(ids[name]) for name in list(READINGS)[1:])]
            for r in replies]


def leaks(model, vector, strengths, prompts, layer):
    """{reading: Leak}: least squares of a reply's mean reading on its style and the strength."""
    rows = np.array([row for strength in strengths for row in reply_means(model, vector, strength, prompts, layer)])
    of = np.column_stack([np.ones(len(rows)), rows[:, :2]])
    found = np.linalg.lstsq(of, rows[:, 2:], rcond=None)[0]  # [constant, style, strength] of each reading
    return {name: Leak(found[2, i] * max(strengths), found[1, i]) for i, name in enumerate(READINGS)}


# ---- replies under a strength ----------------------------------------------------


@dataclass
class Replies:
    style: float
    form: float
    perplexity: float  # to the model without the vector
    replies: list


def judge(replies):
    surprise = [-step.twin_log_prob for reply in replies for step in reply.steps]
    return Replies(np.mean([r.style for r in replies]), np.mean([r.form for r in replies]), np.exp(np.mean(surprise)), replies)


def measure(model, vector, strength, prompts, op=sc.OP_ADD, span=sc.SPAN_ALL, **how):
    def set_up(session):
        session.inject(vector, strength, unit=sc.UNIT_RELATIVE, op=op, span=span)

    return judge(speak(model, prompts, set_up, options={"twin": 1}, **how))


def persona_prompts():
    """{language: text}: what asks the model itself for the persona."""
    found = {}
    for positive, _, _ in load_pairs("held_out", by_system=True):
        found.setdefault("ja" if any(ord(c) > 0x3000 for c in positive[0]) else "en", positive[0])
    return found


def prompted(model, prompts):
    """The persona asked for in words, no vector; scored by the model without those words, as steered replies are."""
    replies = speak(model, prompts, lambda session: None, system=persona_prompts(), options={"twin": 1})
    for reply in replies:
        before, _ = model.chat_encode([("user", reply.prompt["prompt"])])
        said = [step.token for step in reply.steps]
        with model.session() as session:
            session.set_generation(prompt_log_probs=1, temperature=0.0, seed=1)
            session.set_tokens(before + said)
            scores = []
            while len(scores) < len(before) + len(said) - 1:
                scores += session.step().prompt_log_probs
        for step, score in zip(reply.steps, scores[len(before) - 1 :], strict=False):
            step.twin_log_prob = score
    return judge(replies)


# ---- hold -------------------------------------------------------------------------


@dataclass
class Held:
    """Of the held gauge, calibrated: what it was after settling, token by token; whether the target was said to be out of reach."""

    values: np.ndarray
    strengths: np.ndarray
    limited: float  # share of those tokens


def hold(model, vector, target, prompts, reading=sc.READING_OWN_CORRECTED, settle=192, tokens=960):
    """One session asked one thing after the other; its strength goes on from turn to turn."""
    steps = []
    with model.session(twin=1, context_max=1024) as session:
        session.set_generation(temperature=0.7, top_p=0.9, seed=5, token_max=64)
        gauge = session.gauge(vector, reading=reading, scale=sc.SCALE_CALIBRATED, window=8)
        session.inject(vector, 0.0, unit=sc.UNIT_RELATIVE, hold_gauge=gauge, hold_target=target, hold_rate=0.05)
        for prompt in prompts:
            ids, marks = model.chat_encode([("user", prompt["prompt"])])
            session.set_tokens(ids, marks=marks)
            steps += [step for step in session.generate() if step.token >= 0]
            if len(steps) >= tokens:
                break
    after = steps[settle:]
    return Held(np.array([step.gauges[0] for step in after]), np.array([step.strengths[0] for step in after]),
                np.mean([bool(step.flags & sc.STEP_HOLD_LIMIT) for step in after]))


# ---- guard --------------------------------------------------------------------------


def is_salad(reply, prompts):
    """Whether the generator could say not one of its sentences, to whatever prompt."""
    return not any(score.well_formed(sentence, prompt) for sentence in score.sentences(reply.text) for prompt in prompts)


def guarded(model, vector, strength, prompts):
    """Of replies at this strength: whether each is word salad, whether it is sound, whether the guard saw a collapse."""
    replies = measure(model, vector, strength, prompts, guard=sc.GUARD_REPORT).replies
    return np.array([(is_salad(r, prompts), r.form == 1.0, bool(r.flags & sc.STEP_GUARD)) for r in replies])


def guard_rates(model, vector, prompts):
    """(word salad beyond the safe maximum, share that is caught; sound replies up to it, share of false alarms)"""
    safe = vector.info.strength_safe
    beyond = np.concatenate([guarded(model, vector, times * safe, prompts) for times in (1.5, 2, 3, 4)])
    within = np.concatenate([guarded(model, vector, times * safe, prompts) for times in (0, 0.5, 1)])
    salad, sound = beyond[beyond[:, 0]], within[within[:, 1]]
    return len(salad), salad[:, 2].mean(), len(sound), sound[:, 2].mean()


# ---- the tables -----------------------------------------------------------------------


def table(header, rows):
    return [f"| {' | '.join(header)} |", "|" + "---|" * len(header), *(f"| {' | '.join(map(str, row))} |" for row in rows)]


def leak_table(model, vector, prompts):
    safe, rows = vector.info.strength_safe, []
    for layer in (2, 3, 4):
        found = leaks(model, vector, (0.0, safe / 4, safe / 2), prompts, layer)
        rows.append([layer, *(f"{leak.change:+.3f}" for leak in found.values()), f"{found['twin'].style:.2f}"])
    return table(["read at layer", *READINGS, "twin: neutral to persona style"], rows)


def recipe_table(model, prompts):
    recipes = {"mean difference, reply mean": by_recipe(model), "older script: centred PCA, last token": by_recipe(model, **LEGACY)}
    rows = []
    for strength in (0.15, 0.3, 0.45):
        for name, vector in recipes.items():
            found = measure(model, vector, strength, prompts)
            rows.append([strength, name, f"{found.style:.3f}", f"{found.form:.3f}", f"{found.perplexity:,.2f}"])
    return table(["relative strength", "recipe", "style", "form", "perplexity"], rows)


STRONG = {"add": {}, "norm-keeping add, reply only": {"op": sc.OP_ADD_KEEP_NORM, "span": sc.SPAN_REPLY}}


def budget_table(model, vector, prompts):
    safe, asked = vector.info.strength_safe, prompted(model, prompts)
    rows = [["persona asked for in words", "0", "none", f"{asked.style:.3f}", f"{asked.form:.3f}", f"{asked.perplexity:.2f}"]]
    for name, how in STRONG.items():
        for times in (1, 3):
            for budget in (float("inf"), BUDGET):
                found = measure(model, vector, times * safe, prompts, kl_budget=budget, **how)
                rows.append([name, f"{times} times the safe maximum", "none" if budget > BUDGET else f"{budget:g} nat",
                             f"{found.style:.3f}", f"{found.form:.3f}", f"{found.perplexity:,.2f}"])
    return table(["how", "strength", "budget", "style", "form", "perplexity"], rows)


def hold_table(model, vector, prompts):
    rows = []
    for target in (0.2, 0.4, 0.6, 0.8, 1.0, 1.4):
        found = hold(model, vector, target, prompts)
        rows.append([target, f"{found.values.mean():.3f}", len(found.values), f"{found.strengths.mean():.2f}", f"{100 * found.limited:.0f} %"])
    return table(["target", "mean gauge", "tokens", "mean strength", "said to be out of reach"], rows)


def guard_table(model, vector, prompts):
    salad, caught, sound, false = guard_rates(model, vector, prompts)
    return table(["replies", "number", "the guard spoke"], [["word salad, 1.5 to 4 times the safe maximum", salad, f"{100 * caught:.1f} %"],
                                                             ["sound, up to the safe maximum", sound, f"{100 * false:.1f} %"]])


def tables():
    model, prompts = open_model(), load_prompts()
    vector = calibrated(model, shipped_vector())
    print(f"safe maximum {vector.info.strength_safe:.2f}, read at layer {vector.info.gauge_layer}", flush=True)
    made = {"leak": leak_table(model, vector, prompts), "recipes": recipe_table(model, prompts), "budget": budget_table(model, vector, prompts),
            "hold": hold_table(model, vector, prompts), "guard": guard_table(model, vector, prompts)}
    for name, lines in made.items():
        print(name, *lines, "", sep="\n", flush=True)
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    found = tables()
    if parser.parse_args().write:
        doc_tables.put("persona_measures.md", {**found, "made": [doc_tables.made_by("persona_measures.py", "CPU")]})
