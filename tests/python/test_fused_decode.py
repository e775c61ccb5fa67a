"""The captured decode step on a CUDA device: against transformers with hooks, and against our own reference path.

Passes of single tokens whose states nobody asks for go that way; that they did shows in their bits, which are not the
reference's.
"""

import numpy as np
import pytest
import torch

from checkpoints import SHAPES
from parity import Row, StateProbe, run_hooked, worst
from test_parity import TOLERANCE, check_readings, every_probe, some_directions, some_ids, some_pushes

FLOAT32, FLOAT16, BFLOAT16 = 1, 2, 3


@pytest.fixture(scope="module")
def state_probe(probe, tmp_path_factory):
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    made = StateProbe(probe("state_probe"), tmp_path_factory.mktemp("probe"), "cuda:0")
    yield made
    made.close()


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def checkpoint(request, random_checkpoint):
    return random_checkpoint(request.param)


def decode(state_probe, rows, directions):
    """Each row's tokens one after the other, all rows side by side; a row that has ended is left out."""
    outcomes = [[] for _ in rows]
    for at in range(max(len(row.ids) for row in rows)):
        here = [r for r, row in enumerate(rows) if at < len(row.ids)]
        singles = [Row(rows[r].ids[at : at + 1], row=rows[r].row, begin=at, reply=rows[r].reply[at : at + 1],
                       pushes=rows[r].pushes, probes=rows[r].probes) for r in here]
        for r, outcome in zip(here, state_probe.run(singles, directions), strict=True):
            outcomes[r].append(outcome)
    return outcomes


def logits_of(outcomes):
    return np.concatenate([outcome.logits for outcome in outcomes])


def some_row(random, checkpoint, directions, count, row=0):
    layers = checkpoint.model.config.num_hidden_layers
    return Row(some_ids(random, count), row=row, reply=random.integers(0, 2, count).tolist(),
               pushes=some_pushes(random, layers, directions), probes=every_probe(layers, directions))


def kl(p_logits, q_logits):
    p, q = (x.astype(np.float64) - x.max(-1, keepdims=True) for x in (p_logits, q_logits))
    p, q = (x - np.log(np.exp(x).sum(-1, keepdims=True)) for x in (p, q))
    return (np.exp(p) * (p - q)).sum(-1)


def test_decode_equals_transformers(state_probe, checkpoint):
    random = np.random.default_rng(21)
    directions = some_directions(random, checkpoint.model, 4)
    row = some_row(random, checkpoint, directions, 70)
    state_probe.open(checkpoint.folder, FLOAT32).begin(1, 128)
    [ours] = decode(state_probe, [row], directions)
    theirs = run_hooked(checkpoint.model, row, directions)
    assert worst(logits_of(ours), theirs.logits) < TOLERANCE
    check_readings(ours[-1].readings, theirs.readings, row.probes, theirs.after)
    assert [outcome.drawn for outcome in ours] == logits_of(ours).argmax(-1).tolist()
    state_probe.open(checkpoint.folder, FLOAT32, reference=True).begin(1, 128)
    [reference] = decode(state_probe, [row], directions)
    assert not np.array_equal(logits_of(ours), logits_of(reference))


def test_a_prompt_by_the_reference_path_and_then_decode(state_probe, checkpoint):
    random = np.random.default_rng(22)
    directions = some_directions(random, checkpoint.model, 4)
    row = some_row(random, checkpoint, directions, 80)
    theirs = run_hooked(checkpoint.model, row, directions)
    state_probe.open(checkpoint.folder, FLOAT32).begin(1, 128)
    parts = []
    for begin, end in [(0, 61), *((i, i + 1) for i in range(61, 80))]:
        part = Row(row.ids[begin:end], begin=begin, reply=row.reply[begin:end], pushes=row.pushes, probes=row.probes)
        parts += state_probe.run([part], directions)
    assert worst(logits_of(parts), theirs.logits) < TOLERANCE
    check_readings(parts[-1].readings, theirs.readings, row.probes, theirs.after)


def test_rows_of_a_batch_have_the_bits_of_single_runs(state_probe, checkpoint):
    random = np.random.default_rng(23)
    directions = some_directions(random, checkpoint.model, 4)
    rows = [some_row(random, checkpoint, directions, count, row) for row, count in enumerate((75, 9, 66, 40))]
    state_probe.open(checkpoint.folder, BFLOAT16).begin(4, 128)
    together = decode(state_probe, rows, directions)
    for row, ours in zip(rows, together, strict=True):
        state_probe.begin(4, 128)
        [alone] = decode(state_probe, [row], directions)
        assert np.array_equal(logits_of(ours), logits_of(alone))
        assert [outcome.readings for outcome in ours] == [outcome.readings for outcome in alone]


@pytest.mark.parametrize("dtype", [BFLOAT16, FLOAT16], ids=["bf16", "f16"])
def test_decode_is_no_farther_from_float32_than_the_reference(state_probe, checkpoint, dtype):
    random = np.random.default_rng(24)
    directions = some_directions(random, checkpoint.model, 4)
    row = some_row(random, checkpoint, directions, 48)
    theirs = run_hooked(checkpoint.model, row, directions)
    logits = {}
    for reference in (False, True):
        state_probe.open(checkpoint.folder, dtype, reference=reference).begin(1, 64)
        [outcomes] = decode(state_probe, [row], directions)
        logits[reference] = logits_of(outcomes)
    away = {side: np.median(kl(theirs.logits, logits[side])) for side in logits}
    assert away[False] < 1.1 * away[True]
    assert np.median(kl(logits[True], logits[False])) < 4.0 * away[True]
    best = logits[True].max(-1) - np.take_along_axis(logits[True], logits[False].argmax(-1)[:, None], -1)[:, 0]
    rounding = np.abs(logits[True] - theirs.logits).max(-1)
    assert (best <= 4.0 * rounding).all()  # another token only where rounding decides


def test_a_hundred_replies_have_the_same_bits(state_probe, checkpoint):
    random = np.random.default_rng(25)
    directions = some_directions(random, checkpoint.model, 4)
    row = some_row(random, checkpoint, directions, 12)
    state_probe.open(checkpoint.folder, BFLOAT16).begin(1, 64)
    [first] = decode(state_probe, [row], directions)
    for _ in range(99):
        [again] = decode(state_probe, [row], directions)
        assert np.array_equal(logits_of(first), logits_of(again))
        assert [outcome.readings for outcome in first] == [outcome.readings for outcome in again]


def test_strength_zero_is_no_vector_bit_for_bit(state_probe, checkpoint):
    random = np.random.default_rng(26)
    directions = some_directions(random, checkpoint.model, 4)
    row = some_row(random, checkpoint, directions, 20)
    off = Row(row.ids, reply=row.reply, pushes=[{**push, "strength": zero} for push in row.pushes for zero in (0.0, -0.0)])
    state_probe.open(checkpoint.folder, BFLOAT16).begin(1, 64)
    [zero] = decode(state_probe, [off], directions)
    [none] = decode(state_probe, [Row(row.ids, reply=row.reply)], directions)
    [pushed] = decode(state_probe, [row], directions)
    assert np.array_equal(logits_of(zero), logits_of(none))
    assert not np.array_equal(logits_of(pushed), logits_of(none))


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0, 1.6])
def test_the_device_draws_what_the_cpu_draws(state_probe, checkpoint, temperature):
    random = np.random.default_rng(27)
    ids = some_ids(random, 40)
    state_probe.open(checkpoint.folder, BFLOAT16).begin(2, 64)
    drawn = []
    for position, token in enumerate(ids):
        rows = [Row([token], row=row, begin=position) for row in range(2)]
        state_probe.run(rows, temperature=temperature, seed=int(random.integers(2**63)))
        told, host = state_probe.answer, state_probe.answer["host"]
        assert told["drawn"] == host["drawn"]
        assert told["log_probs"] == pytest.approx(host["log_probs"], abs=2e-5)
        assert told["entropies"] == pytest.approx(host["entropies"], abs=2e-5)
        drawn.append(told["drawn"][0])
    assert len(set(drawn)) > 10
