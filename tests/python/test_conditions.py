"""Intervals, rules and gates through the C door, against transformers with hooks and a few lines that say when each acts."""

import numpy as np
import pytest
import torch

import steer_c as sc
from checkpoints import BOTH_FAMILIES, real_vocabulary
from parity import Row, next_state, reading, run_hooked
from test_door_parity import GREEDY, check_greedy

ON = {"bit": 0, "below": False}


class Talk:
    def __init__(self, checkpoint, device):
        self.reference = checkpoint.model
        self.model = sc.Model(checkpoint.folder, device=device, dtype=sc.DTYPE_F32)
        self.layers, hidden = self.reference.config.num_hidden_layers, self.reference.config.hidden_size
        random = np.random.default_rng(11)
        self.read = random.standard_normal((self.layers, hidden)).astype(np.float32)
        self.write = (random.standard_normal((self.layers, hidden)) * 0.5).astype(np.float32)
        self.other = (random.standard_normal((self.layers, hidden)) * 0.5).astype(np.float32)
        self.directions = np.concatenate([self.write, self.other, self.read])
        self.prompt = random.integers(0, real_vocabulary(), 20).tolist()

    def speak(self, set_up, count=24, **options):
        """Steps that brought tokens, of a session with the controls that set_up adds."""
        with self.model.session(**options) as session:
            session.set_generation(**GREEDY)
            set_up(session)
            session.set_tokens(self.prompt)
            steps = []
            while len(steps) < count:
                step = session.step()
                steps += [] if step.is_prompt else [step]
            assert session.info.stale_from == -1
        return steps

    def check(self, steps, pushes, gates=()):
        """The steps are transformers' greedy choice under the pushes; gives the whole run."""
        ids = self.prompt + [step.token for step in steps][:-1]
        outcome = run_hooked(self.reference, Row(ids, pushes=pushes, gates=list(gates)), self.directions)
        logits = torch.tensor(outcome.logits[len(self.prompt) - 1 :, : real_vocabulary()])
        check_greedy(steps, logits)
        return outcome

    def dial_values(self, outcome):
        """The gauge of the tests, at every position: the projection on row 0 of what the first block puts out."""
        probe = {"metric": "projection", "direction": 2 * self.layers}
        return [reading(probe, torch.tensor(z), self.directions) for z in outcome.before[:, 1]]


@pytest.fixture(params=BOTH_FAMILIES, ids=str)
def talk(request, device, torch_library, random_checkpoint):
    made = Talk(random_checkpoint(request.param), device)
    yield made
    made.model.close()


def thresholds(talk):
    """Where the dial's values lie, so that a threshold is passed often."""
    steps = talk.speak(lambda session: None)
    values = talk.dial_values(talk.check(steps, []))
    return float(np.quantile(values, 0.6)), float(np.quantile(values, 0.4))


def pushed_above(talk, **more):
    return [{"site": layer, "kind": "add", "strength": 3.0, "direction": layer, **more} for layer in range(1, talk.layers)]


def test_intervals_beside_adds(talk):
    with sc.Vector.create(talk.write) as first, sc.Vector.create(talk.other) as second, sc.Vector.create(talk.read) as third:
        def set_up(session):
            session.inject(first, 1.0, op=sc.OP_INTERVAL, low=2.0, high=2.0)
            session.inject(second, 1.0, op=sc.OP_INTERVAL, low=-np.inf, high=-1.0)
            session.inject(third, 0.5, op=sc.OP_INTERVAL, scales=[1.0, 0.25] + [0.5] * (talk.layers - 2),
                           layer_begin=0, layer_end=talk.layers)
            session.inject(first, -1.5, op=sc.OP_ADD_KEEP_NORM)
            session.inject(third, 2.0)

        steps = talk.speak(set_up)
    pushes, scales = [], [1.0, 0.25] + [0.5] * (talk.layers - 2)
    for k in range(talk.layers):
        one, two, three = k, talk.layers + k, 2 * talk.layers + k
        pushes += [{"site": k, "kind": "interval", "strength": 1.0, "direction": one, "low": 2.0, "high": 2.0},
                   {"site": k, "kind": "interval", "strength": 1.0, "direction": two, "low": None, "high": -1.0},
                   {"site": k, "kind": "interval", "strength": 0.5, "scale": scales[k], "direction": three, "low": 0.0, "high": 0.0},
                   {"site": k, "kind": "add_keep_norm", "strength": -1.5, "direction": one},
                   {"site": k, "kind": "add", "strength": 2.0, "direction": three}]
    talk.check(steps, pushes)


def speak_under(talk, when, **options):
    """40 steps with a push that waits for the dial; whether it acted in each; the thresholds."""
    enter, leave = thresholds(talk)
    with sc.Vector.create(talk.read) as read, sc.Vector.create(talk.write) as write:
        ids = {}

        def set_up(session):
            dial = session.gauge(read, 0, reading=sc.READING_OWN, metric=sc.METRIC_PROJECTION)
            ids["push"] = session.inject(write, 3.0, layer_begin=1, conditions=[
                sc.Condition(dial, when, sc.TEST_ABOVE, enter, leave, 0)])

        steps = talk.speak(set_up, 40, **options)
    return steps, [step.strengths[sc.slot(ids["push"])] != 0.0 for step in steps], {"enter": enter, "leave": leave}


def test_rules(talk):
    steps, acted, limits = speak_under(talk, sc.WHEN_LAST_STEP)
    first = len(talk.prompt) - 1  # the position that chose the first token
    tokens = {first + i for i, on in enumerate(acted) if on}
    values = talk.dial_values(talk.check(steps, pushed_above(talk, tokens=tokens)))[first:]
    on, expected = False, []
    for value in values:
        expected.append(on)
        on = next_state({**ON, **limits}, on, value)
    assert acted == expected
    assert 3 < sum(acted) < 37


@pytest.mark.parametrize("chunk", [0, 3])
def test_gates(talk, chunk):
    steps, acted, limits = speak_under(talk, sc.WHEN_SAME_PASS, prefill_chunk=chunk)
    gate = {**ON, "site": 0, "tap": "before", "metric": "projection", "own": True, "direction": 2 * talk.layers,
            **limits}
    outcome = talk.check(steps, pushed_above(talk, groups=[1]), [gate])
    assert acted == [bool(bits) for bits in outcome.gate_bits[len(talk.prompt) - 1 :]]
    assert 3 < sum(acted) < 37


def test_the_steps_are_a_log_that_replays(talk):
    """Position and strengths of every step, with a ramp, a set, a pause and a prompt in pieces: hooks that follow them say the same."""
    log = {}  # position: strength
    with sc.Vector.create(talk.write) as write, talk.model.session(prefill_chunk=6) as session:
        session.set_generation(**GREEDY)
        push = session.inject(write, 0.0)
        session.set_tokens(talk.prompt)
        live = {1: (2.0, 0), 5: (-1.0, 9), 20: (0.0, 0), 26: (3.0, 4)}  # step: strength, tokens of its ramp
        steps, at = [], 0
        while len(steps) < 40:
            if (change := live.pop(at, None)) is not None:
                session.set_strength(push, *change)
            step = session.step()
            computed = step.position if step.is_prompt else step.position - 1  # a token is chosen one position before its own
            log.update((position, step.strengths[sc.slot(push)]) for position in range(len(log), computed + 1))
            steps += [] if step.is_prompt else [step]
            at += 1
    assert len({round(strength, 3) for strength in log.values()}) > 10
    strengths = [(position, strength) for position, strength in log.items() if strength != 0.0]
    talk.check(steps, [{"site": layer, "kind": "add", "strength": strength, "direction": layer, "tokens": {position}}
                       for layer in range(talk.layers) for position, strength in strengths])
