"""Our layer loop against transformers with Python hooks, on random weights: logits, every state, every gauge.

What the C door adds on top of it is in test_door_parity.py.
"""

import numpy as np
import pytest

import checkpoints
from checkpoints import SHAPES
from parity import ALL, PROMPT, REPLY, Row, run_hooked, worst

TOLERANCE = 2e-5  # of float32, relative to the largest number of a vector; 3e-6 is what was seen


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def checkpoint(request, random_checkpoint):
    return random_checkpoint(request.param)


def some_ids(random, count):
    return random.integers(0, checkpoints.real_vocabulary(), count).tolist()


def some_directions(random, model, count):
    hidden = model.config.hidden_size
    made = random.standard_normal((count, hidden)) * random.uniform(0.2, 3.0, (count, 1))
    return made.astype(np.float32)


def some_pushes(random, layers, directions, strength=2.0):
    """Several at most sites, of both kinds, all spans, and some of them off."""
    pushes = []
    for site in range(-1, layers):
        for _ in range(int(random.integers(0, 4))):
            pushes.append({
                "site": site, "kind": str(random.choice(["add", "add_keep_norm"])),
                "strength": float(random.choice([0.0, strength, -strength, strength / 4])),
                "scale": float(random.uniform(0.5, 1.5)), "span": int(random.choice([PROMPT, REPLY, ALL, ALL])),
                "direction": int(random.integers(len(directions)))})
    return pushes


def some_intervals(random, layers, directions, spread=6.0):
    """Pins, bounds, shares and reflections, several at most sites and beside adds of both kinds."""
    pushes = some_pushes(random, layers, directions)
    for site in range(-1, layers):
        for direction in random.permutation(len(directions))[: int(random.integers(0, 5))]:
            t, width = float(random.uniform(-spread, spread)), float(random.uniform(0.1, 3.0))
            low, high = [(0.0, 0.0), (t, t), (t, None), (None, t), (t, t + width)][int(random.integers(5))]
            pushes.append({
                "site": site, "kind": "interval", "strength": float(random.choice([0.0, 1.0, 1.0, 0.4, 2.0])),
                "scale": float(random.choice([1.0, 0.5])), "span": int(random.choice([PROMPT, REPLY, ALL, ALL])),
                "direction": int(direction), "low": low, "high": high})
    return pushes


def every_probe(layers, directions):
    return [{"site": site, "tap": tap, "metric": metric, "own": own, "direction": (site + 1) % len(directions)}
            for site in range(-1, layers) for tap in ("before", "after")
            for metric in ("cosine", "projection", "dot") for own in (False, True)]


def check_readings(ours, theirs, probes, states):
    """A dot product near zero has lost digits to cancellation: it is compared at the scale of what was summed."""
    for mine, other, probe in zip(ours, theirs, probes, strict=True):
        scale = 1.0 if probe["metric"] == "cosine" else float(np.linalg.norm(states[-1, probe["site"] + 1]))
        if probe["metric"] == "dot":
            scale *= 3.0
        assert mine == pytest.approx(other, abs=TOLERANCE * scale), probe


def test_logits_and_states_without_steering(state_probe, checkpoint):
    random = np.random.default_rng(1)
    row = Row(some_ids(random, 97))
    [ours] = state_probe.open(checkpoint.folder).begin(1, 128).run([row], states=True)
    theirs = run_hooked(checkpoint.model, row)
    assert worst(ours.logits, theirs.logits) < TOLERANCE
    assert worst(ours.before, theirs.before) < TOLERANCE
    assert np.array_equal(ours.before, ours.after)
    assert theirs.logits.std() > 1.0  # else equality would say nothing


def test_states_and_gauges_under_injections(state_probe, checkpoint):
    random = np.random.default_rng(2)
    layers = checkpoint.model.config.num_hidden_layers
    state_probe.open(checkpoint.folder)
    for _ in range(3):
        directions = some_directions(random, checkpoint.model, 5)
        row = Row(some_ids(random, 40), reply=random.integers(0, 2, 40).tolist(),
                  pushes=some_pushes(random, layers, directions),
                  probes=every_probe(layers, directions))
        [ours] = state_probe.begin(1, 64).run([row], directions, states=True)
        theirs = run_hooked(checkpoint.model, row, directions)
        assert worst(ours.logits, theirs.logits) < TOLERANCE
        assert worst(ours.before, theirs.before) < TOLERANCE
        assert worst(ours.after, theirs.after) < TOLERANCE
        assert worst(theirs.after, run_hooked(checkpoint.model, Row(row.ids)).after) > 0.01  # it did push
        check_readings(ours.readings, theirs.readings, row.probes, theirs.after)


@pytest.mark.parametrize("low, high, share", [
    (0.0, 0.0, 1.0), (1.5, 1.5, 1.0), (-2.0, -2.0, 0.3), (0.0, 0.0, 2.0), (2.0, None, 1.0), (None, -2.0, 1.0), (-0.5, 0.5, 1.0)],
    ids=["ablation", "clamp", "part of the way", "reflection", "floor", "ceiling", "cap"])
def test_each_interval_alone(state_probe, checkpoint, low, high, share):
    random = np.random.default_rng(8)
    layers = checkpoint.model.config.num_hidden_layers
    directions = some_directions(random, checkpoint.model, layers + 1)
    row = Row(some_ids(random, 24), pushes=[
        {"site": site, "kind": "interval", "strength": share, "direction": site + 1, "low": low, "high": high}
        for site in range(-1, layers)])
    [ours] = state_probe.open(checkpoint.folder).begin(1, 64).run([row], directions, states=True)
    theirs = run_hooked(checkpoint.model, row, directions)
    assert worst(ours.logits, theirs.logits) < TOLERANCE
    assert worst(ours.after, theirs.after) < TOLERANCE
    for site in range(-1, layers):  # closed form, from our own state before
        unit = directions[site + 1].astype(np.float64) / np.linalg.norm(directions[site + 1].astype(np.float64))
        before, after = (states[:, site + 1].astype(np.float64) for states in (ours.before, ours.after))
        c = before @ unit
        expected = before + np.outer(share * (np.clip(c, -np.inf if low is None else low, np.inf if high is None else high) - c), unit)
        assert np.abs(after - expected).max() < 1e-5 * np.linalg.norm(before, axis=1).max()


def test_mixtures_of_all_operators(state_probe, checkpoint):
    random = np.random.default_rng(9)
    layers = checkpoint.model.config.num_hidden_layers
    state_probe.open(checkpoint.folder)
    for _ in range(3):
        directions = some_directions(random, checkpoint.model, 6)
        row = Row(some_ids(random, 40), reply=random.integers(0, 2, 40).tolist(),
                  pushes=some_intervals(random, layers, directions), probes=every_probe(layers, directions))
        [ours] = state_probe.begin(1, 64).run([row], directions, states=True)
        theirs = run_hooked(checkpoint.model, row, directions)
        assert worst(ours.logits, theirs.logits) < TOLERANCE
        assert worst(ours.after, theirs.after) < TOLERANCE
        check_readings(ours.readings, theirs.readings, row.probes, theirs.after)


def gated_pushes(random, layers, directions):
    """Operators of all kinds; those above site 0 wait for gate 3, for gates 0 and 41, for either, or for none."""
    pushes = some_intervals(random, layers, directions)
    pushes.append({"site": layers - 1, "kind": "add", "strength": 2.0, "direction": 0})
    groups = [[1 << 3], [1 | 1 << 41], [1, 1 << 3], []]
    for push in pushes:
        if push["site"] > 0:
            push["groups"] = groups[int(random.integers(len(groups)))]
    pushes[-1]["groups"] = [1 << 3]
    return pushes


def gate_values(gate, outcome, directions):
    states = (outcome.before if gate["tap"] == "before" else outcome.after).astype(np.float64)
    v = directions[gate["direction"]].astype(np.float64)
    pushed = (outcome.after - outcome.before).astype(np.float64)[:, : gate["site"] + 1 + (gate["tap"] == "after")].sum(1)
    return (states[:, gate["site"] + 1] - (pushed if gate["own"] else 0.0)) @ v / np.linalg.norm(v)


def some_gates(outcome, directions):
    """Three gates at the sites that no gate can change, with thresholds in the middle of gaps between the values there."""
    gates = []
    for site, tap, own, bit, below, share in ((-1, "before", False, 3, False, 0.2), (0, "after", True, 0, True, 0.3),
                                              (0, "before", True, 41, False, 0.0)):
        gate = {"site": site, "tap": tap, "metric": "projection", "own": own, "direction": site + 1, "bit": bit, "below": below}
        values = np.unique(gate_values(gate, outcome, directions))  # a token said twice has one

        def between(quantile, values=values):
            at = int(quantile * (len(values) - 1))
            return float(values[at] + values[at + 1]) / 2

        low, high = between(0.5 - share / 2), between(0.5 + share / 2)
        gate["enter"], gate["leave"] = (low, high) if below else (high, low)
        nearest = min(np.abs(values - limit).min() for limit in (low, high))
        assert nearest > 1e-5, "take another seed: two computations may differ so near a threshold"
        gates.append(gate)
    return gates


@pytest.mark.parametrize("pieces", [[48], [1] * 48, [7, 30, 1, 10]], ids=["whole", "singly", "7-30-1-10"])
def test_gates_switch_operators_in_the_same_pass(state_probe, checkpoint, pieces):
    random = np.random.default_rng(10)
    layers = checkpoint.model.config.num_hidden_layers
    directions = some_directions(random, checkpoint.model, 6)
    pushes = gated_pushes(random, layers, directions)
    ids, reply = some_ids(random, 48), random.integers(0, 2, 48).tolist()
    closed = run_hooked(checkpoint.model, Row(ids, reply=reply, pushes=pushes), directions)
    gates = some_gates(closed, directions)
    theirs = run_hooked(checkpoint.model, Row(ids, reply=reply, pushes=pushes, gates=gates, gate_bits=1), directions)
    assert worst(theirs.logits, closed.logits) > 0.01  # they did switch something
    assert all(0 < sum(bits >> gate["bit"] & 1 for bits in theirs.gate_bits) < 48 for gate in gates)
    state_probe.open(checkpoint.folder).begin(1, 64)
    begin, bits, logits = 0, [1], []
    for count in pieces:
        part = slice(begin, begin + count)
        [ours] = state_probe.run([Row(ids[part], begin=begin, reply=reply[part], pushes=pushes, gates=gates,
                                      gate_bits=bits[-1])], directions)
        bits, begin = bits + ours.gate_bits, begin + count
        logits.append(ours.logits)
    assert bits[1:] == theirs.gate_bits
    assert worst(np.concatenate(logits), theirs.logits) < TOLERANCE


def test_rows_of_a_batch_equal_single_runs(state_probe, checkpoint):
    """Eight conversations of different lengths, strengths and gauges at once, as each of them alone."""
    random = np.random.default_rng(3)
    layers = checkpoint.model.config.num_hidden_layers
    directions = some_directions(random, checkpoint.model, 4)
    shared = some_pushes(random, layers, directions)
    rows = []
    for i in range(8):
        count = int(random.integers(1, 90))
        pushes = [{**push, "strength": push["strength"] * (i - 2) / 3} for push in shared]
        rows.append(Row(some_ids(random, count), row=i, reply=random.integers(0, 2, count).tolist(), pushes=pushes,
                        probes=every_probe(layers, directions)[i::5]))
    together = state_probe.open(checkpoint.folder).begin(8, 128).run(rows, directions, states=True)
    for row, ours in zip(rows, together, strict=True):
        [alone] = state_probe.begin(8, 128).run([row], directions, states=True)
        assert worst(ours.logits, alone.logits) < 1e-5
        assert worst(ours.after, alone.after) < 1e-5
        theirs = run_hooked(checkpoint.model, row, directions)
        assert worst(ours.logits, theirs.logits) < TOLERANCE
        check_readings(ours.readings, theirs.readings, row.probes, theirs.after)


def test_strength_zero_is_no_vector_bit_for_bit(state_probe, checkpoint):
    random = np.random.default_rng(4)
    layers = checkpoint.model.config.num_hidden_layers
    directions = some_directions(random, checkpoint.model, 3)
    ids = some_ids(random, 33)
    off = [{**push, "strength": zero} for push in some_intervals(random, layers, directions) for zero in (0.0, -0.0)]
    assert off
    state_probe.open(checkpoint.folder)
    [none] = state_probe.begin(1, 64).run([Row(ids, planned=False)], states=True)
    [zero] = state_probe.begin(1, 64).run([Row(ids, pushes=off, probes=every_probe(layers, directions))], directions,
                                          states=True)
    assert none.logits.tobytes() == zero.logits.tobytes()
    assert none.after.tobytes() == zero.after.tobytes()


@pytest.mark.parametrize("pieces", [[1] * 70, [63, 1, 6], [7, 57, 6]], ids=["singly", "63-1-6", "7-57-6"])
def test_a_prompt_in_chunks_equals_one_piece(state_probe, checkpoint, pieces):
    random = np.random.default_rng(5)
    layers = checkpoint.model.config.num_hidden_layers
    directions = some_directions(random, checkpoint.model, 3)
    ids, reply = some_ids(random, 70), random.integers(0, 2, 70).tolist()
    pushes, probes = some_pushes(random, layers, directions), every_probe(layers, directions)
    state_probe.open(checkpoint.folder).begin(1, 128)
    parts, begin = [], 0
    for count in pieces:
        part = slice(begin, begin + count)
        row = Row(ids[part], begin=begin, reply=reply[part], pushes=pushes, probes=probes)
        parts += state_probe.run([row], directions, states=True)
        begin += count
    whole = Row(ids, reply=reply, pushes=pushes, probes=probes)
    theirs = run_hooked(checkpoint.model, whole, directions)
    assert worst(np.concatenate([part.logits for part in parts]), theirs.logits) < TOLERANCE
    assert worst(np.concatenate([part.after for part in parts]), theirs.after) < TOLERANCE
    check_readings(parts[-1].readings, theirs.readings, probes, theirs.after)


def test_prompts_and_single_tokens_share_a_pass(state_probe, checkpoint):
    """A row that reads its prompt, one in the middle of it and two that speak, in the same batch, pass after pass."""
    random = np.random.default_rng(6)
    layers = checkpoint.model.config.num_hidden_layers
    directions = some_directions(random, checkpoint.model, 3)
    talks = [some_ids(random, 80) for _ in range(4)]
    pushes = [some_pushes(random, layers, directions) for _ in talks]
    steps = [[30, 1, 1, 48], [64, 1, 1, 1], [10, 60, 1, 1], [1, 1, 77, 1]]
    state_probe.open(checkpoint.folder).begin(4, 128)
    done, logits = [0] * 4, [[] for _ in talks]
    for counts in zip(*steps, strict=True):
        rows = [Row(talks[r][done[r] : done[r] + n], row=r, begin=done[r], pushes=pushes[r])
                for r, n in enumerate(counts)]
        for r, outcome in enumerate(state_probe.run(rows, directions)):
            logits[r].append(outcome.logits)
            done[r] += counts[r]
    for r, ids in enumerate(talks):
        theirs = run_hooked(checkpoint.model, Row(ids[: done[r]], pushes=pushes[r]), directions)
        assert worst(np.concatenate(logits[r]), theirs.logits) < TOLERANCE


@pytest.mark.parametrize("dtype, tolerance", [(3, 0.06), (2, 0.01)], ids=["bf16", "f16"])
def test_half_precision_stays_near_float32(state_probe, checkpoint, dtype, tolerance):
    """Rounding to 8 or 11 bits at every site: the distance is bounded, not the bits."""
    random = np.random.default_rng(7)
    layers = checkpoint.model.config.num_hidden_layers
    directions = some_directions(random, checkpoint.model, 3)
    row = Row(some_ids(random, 30), pushes=some_pushes(random, layers, directions))
    [ours] = state_probe.open(checkpoint.folder, dtype).begin(1, 64).run([row], directions, states=True)
    theirs = run_hooked(checkpoint.model, row, directions)
    away = np.linalg.norm(ours.after - theirs.after, axis=-1) / np.linalg.norm(theirs.after, axis=-1)
    assert away.max() < tolerance
    assert np.linalg.norm(ours.logits - theirs.logits) / np.linalg.norm(theirs.logits) < tolerance


def test_bfloat16_stays_near_float32(state_probe, checkpoint):
    """Eight bits of mantissa through every block: near, and not the same numbers by another name."""
    random = np.random.default_rng(6)
    layers = checkpoint.model.config.num_hidden_layers
    directions = some_directions(random, checkpoint.model, 3)
    row = Row(some_ids(random, 40), pushes=some_pushes(random, layers, directions), probes=every_probe(layers, directions))
    [ours] = state_probe.open(checkpoint.folder, dtype=3).begin(1, 64).run([row], directions, states=True)
    theirs = run_hooked(checkpoint.model, row, directions)
    assert 1e-4 < worst(ours.after, theirs.after) < 0.1
    wide = ours.logits.astype(np.float64), theirs.logits.astype(np.float64)
    q, p = (np.exp(x - x.max(-1, keepdims=True)) / np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True) for x in wide)
    assert np.median((p * np.log(p / q)).sum(-1)) < 0.02
