"""Quantised weights against transformers with what they mean put in: files of every format, and quantising on loading.

What the formats and rules are, and that the references keep to them, is in test_quantised_files.py.
"""

import numpy as np
import pytest

from load_quantisers import AS_STORED
from parity import Row, run_hooked, worst
from quantised_cases import CASES, ON_LOAD, Folders, case_name, on_load_name
from test_parity import TOLERANCE, check_readings, every_probe, some_directions, some_ids, some_intervals

FLOAT32, FLOAT16, BFLOAT16 = 1, 2, 3
HALVES = [(BFLOAT16, 0.06), (FLOAT16, 0.01)]  # as of plain weights: what rounding every state makes


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return Folders(tmp_path_factory.mktemp("quantised"))


class Subject:
    """Something to open, and the model that it must be."""

    def __init__(self, folder, model, weights=AS_STORED):
        self.folder, self.model, self.weights = folder, model, weights

    def open(self, state_probe, dtype=FLOAT32, **more):
        return state_probe.open(self.folder, dtype, weights=self.weights, **more)


@pytest.fixture(scope="module", params=[*CASES, *ON_LOAD],
                ids=lambda case: case_name(case) if case in CASES else "-".join(map(on_load_name, case)))
def subject(request, folders):
    if request.param in CASES:
        published = folders.published(request.param)
        return Subject(published.folder, published.model)
    shape, kind = request.param
    return Subject(folders.plain(shape), folders.loaded(shape, kind), kind)


def in_pieces(state_probe, ids, pieces):
    parts, begin = [], 0
    for count in pieces:
        parts += state_probe.run([Row(ids[begin : begin + count], begin=begin)])
        begin += count
    return np.concatenate([part.logits for part in parts])


def test_logits_and_states(state_probe, subject):
    ids = some_ids(np.random.default_rng(1), 49)
    theirs = run_hooked(subject.model, Row(ids))
    [ours] = subject.open(state_probe).begin(1, 64).run([Row(ids)], states=True)
    assert worst(ours.logits, theirs.logits) < TOLERANCE
    assert worst(ours.before, theirs.before) < TOLERANCE  # at the embedding too: what tokens look up is as stored
    assert theirs.logits.std() > 1.0


def test_prompts_in_pieces_and_single_tokens(state_probe, subject):
    """A matrix meets one token, a few and many: each may take another way."""
    ids = some_ids(np.random.default_rng(2), 49)
    theirs = run_hooked(subject.model, Row(ids))
    subject.open(state_probe)
    for pieces in ([1] * 5 + [44], [40, 1, 8], [2, 3, 4, 7, 33]):
        assert worst(in_pieces(state_probe.begin(1, 64), ids, pieces), theirs.logits) < TOLERANCE


@pytest.mark.parametrize("speakers", [3, 16])
def test_rows_that_speak_side_by_side(state_probe, subject, speakers):
    random = np.random.default_rng(speakers)
    talks = [some_ids(random, int(random.integers(3, 12))) for _ in range(speakers)]
    subject.open(state_probe).begin(speakers, 16)
    state_probe.run([Row(ids[:-1], row=r) for r, ids in enumerate(talks)])
    last = state_probe.run([Row(ids[-1:], row=r, begin=len(ids) - 1) for r, ids in enumerate(talks)])
    for ids, ours in zip(talks, last, strict=True):
        assert worst(ours.logits, run_hooked(subject.model, Row(ids)).logits[-1:]) < TOLERANCE


@pytest.mark.parametrize("dtype, tolerance", HALVES, ids=["bf16", "f16"])
def test_half_precision_is_away_by_its_rounding(state_probe, subject, dtype, tolerance):
    ids = some_ids(np.random.default_rng(3), 33)
    theirs = run_hooked(subject.model, Row(ids))
    [whole] = subject.open(state_probe, dtype).begin(1, 64).run([Row(ids)], states=True)
    away = np.linalg.norm(whole.after - theirs.after, axis=-1) / np.linalg.norm(theirs.after, axis=-1)
    assert away.max() < tolerance
    for logits in (whole.logits, in_pieces(state_probe.begin(1, 64), ids, [30, 1, 1, 1])):
        assert 1e-5 < np.linalg.norm(logits - theirs.logits) / np.linalg.norm(theirs.logits) < tolerance


def test_pushes_and_gauges(state_probe, subject):
    random = np.random.default_rng(4)
    layers = subject.model.config.num_hidden_layers
    directions = some_directions(random, subject.model, 5)
    row = Row(some_ids(random, 40), reply=random.integers(0, 2, 40).tolist(),
              pushes=some_intervals(random, layers, directions), probes=every_probe(layers, directions))
    [ours] = subject.open(state_probe).begin(1, 64).run([row], directions, states=True)
    theirs = run_hooked(subject.model, row, directions)
    assert worst(ours.logits, theirs.logits) < TOLERANCE
    assert worst(ours.before, theirs.before) < TOLERANCE
    assert worst(ours.after, theirs.after) < TOLERANCE
    assert worst(theirs.after, run_hooked(subject.model, Row(row.ids)).after) > 0.01  # it did push
    check_readings(ours.readings, theirs.readings, row.probes, theirs.after)


def test_the_reference_path_says_the_same(state_probe, subject):
    ids = some_ids(np.random.default_rng(5), 20)
    theirs = run_hooked(subject.model, Row(ids))
    subject.open(state_probe, reference=True).begin(1, 64)
    assert worst(in_pieces(state_probe, ids, [17, 1, 1, 1]), theirs.logits) < TOLERANCE
