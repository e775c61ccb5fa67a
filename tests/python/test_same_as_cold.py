"""Whatever happens to a conversation, it goes on as a cold run of its tokens would: transformers computes the cold run, with
hooks for the pushes. What keeps the cache (fork, saved cache, parked weights) also equals the untouched conversation bit for bit.
"""

import numpy as np
import pytest
import torch

import steer_c as sc
from checkpoints import BOTH_FAMILIES, real_vocabulary
from parity import Row, run_hooked

STRENGTH = 2.5


class Talk:
    """A steered conversation of 70 prompt tokens and 6 sampled ones, and what transformers would say next."""

    def __init__(self, checkpoint, device):
        self.reference = checkpoint.model
        self.model = sc.Model(checkpoint.folder, device=device, dtype=sc.DTYPE_F32)
        layers, hidden = self.reference.config.num_hidden_layers, self.reference.config.hidden_size
        random = np.random.default_rng(7)
        self.rows = (random.standard_normal((layers, hidden)) * 0.5).astype(np.float32)
        self.vector = sc.Vector.create(self.rows)
        self.prompt = random.integers(0, real_vocabulary(), 70).tolist()
        self.session = self.fresh()
        self.session.set_tokens(self.prompt)
        self.speak(self.session, 6)

    def fresh(self):
        session = self.model.session()
        session.set_generation(temperature=0.0, repeat_penalty=1.0, stop_tokens=[])
        session.inject(self.vector, STRENGTH)
        return session

    def speak(self, session, count=12):
        said = []
        while len(said) < count:
            step = session.step()
            if not step.is_prompt:
                said.append((step.token, step.log_prob))
        return said

    def check_cold(self, before, said):
        """said, after the tokens before, is what a cold run says."""
        pushes = [{"site": k, "kind": "add", "strength": STRENGTH, "span": 3, "direction": k} for k in range(len(self.rows))]
        ids = before + [token for token, _ in said][:-1]
        outcome = run_hooked(self.reference, Row(ids, pushes=pushes), self.rows)
        logits = torch.tensor(outcome.logits[len(before) - 1:, : real_vocabulary()])
        assert [token for token, _ in said] == logits.argmax(-1).tolist()
        expected = torch.log_softmax(logits, -1).max(-1).values
        np.testing.assert_allclose([log_prob for _, log_prob in said], expected, atol=1e-4)


@pytest.fixture(params=BOTH_FAMILIES, ids=str)
def talk(request, device, torch_library, random_checkpoint):
    made = Talk(random_checkpoint(request.param), device)
    yield made
    made.session.close()
    made.model.close()


def test_a_fork(talk):
    before, fork = talk.session.tokens, talk.session.fork()
    said = talk.speak(fork)
    talk.check_cold(before, said)
    assert talk.speak(talk.session) == said


def test_saved_with_the_cache(talk):
    before, state = talk.session.tokens, talk.session.save_state(sc.STATE_CACHE)
    restored = talk.fresh()
    restored.load_state(state)
    assert restored.info.computed_count == len(before) - 1
    said = talk.speak(restored)
    talk.check_cold(before, said)
    assert talk.speak(talk.session) == said


def test_saved_without(talk):
    before, state = talk.session.tokens, talk.session.save_state()
    restored = talk.fresh()
    restored.load_state(state)
    assert restored.info.computed_count == 0
    talk.check_cold(before, talk.speak(restored))


@pytest.mark.parametrize("position", [0, 33, 64, 75])
def test_refresh(talk, position):
    before = talk.session.tokens
    talk.session.refresh(position)
    assert talk.session.info.computed_count == position
    talk.check_cold(before, talk.speak(talk.session))


def test_parked_and_back(talk):
    before, twin = talk.session.tokens, talk.session.fork()
    uninterrupted = talk.speak(twin)
    talk.model.set_residency(sc.RESIDENCY_HOST)
    info = talk.model.info
    assert info.residency == sc.RESIDENCY_HOST
    if info.device >= 0:
        assert info.device_bytes_used == 0
    with pytest.raises(sc.SteerError, match="not on the device"):
        talk.session.step()
    parked = talk.session.save_state(sc.STATE_CACHE)
    talk.model.set_residency(sc.RESIDENCY_DEVICE)
    assert talk.session.save_state(sc.STATE_CACHE) == parked
    said = talk.speak(talk.session)
    assert said == uninterrupted
    talk.check_cold(before, said)


def test_dropped_and_read_again(talk):
    before = talk.session.tokens
    talk.model.set_residency(sc.RESIDENCY_NONE)
    assert talk.session.info.computed_count == 0
    talk.model.set_residency(sc.RESIDENCY_DEVICE)
    talk.check_cold(before, talk.speak(talk.session))


def test_loaded_into_main_memory_first(talk, random_checkpoint, device):
    before = talk.session.tokens
    talk.model.set_residency(sc.RESIDENCY_NONE)
    talk.model.set_residency(sc.RESIDENCY_HOST)
    talk.model.set_residency(sc.RESIDENCY_DEVICE)
    talk.check_cold(before, talk.speak(talk.session))


def test_a_kept_prefix(talk):
    """A new ending of the prompt: what stands before it is not computed again."""
    ids = talk.prompt[:50] + talk.prompt[:15]
    talk.session.set_tokens(ids)
    assert talk.session.info.computed_count == 50
    talk.check_cold(ids, talk.speak(talk.session))


def test_rows_of_different_lengths_together(talk):
    """Prompt chunks and tokens mixed, a fork and strangers in one forward: each is its own cold run."""
    lengths = (1, 9, 64, 65, 130)
    random = np.random.default_rng(3)
    sessions, befores = [talk.session.fork()], [talk.session.tokens]
    for length in lengths:
        ids = random.integers(0, real_vocabulary(), length).tolist()
        session = talk.fresh()
        session.set_tokens(ids)
        sessions.append(session)
        befores.append(ids)
    said = [[] for _ in sessions]
    for _ in range(14):
        for row, step in zip(said, sc.step_many(sessions), strict=True):
            assert step.status == sc.OK
            if not step.is_prompt:
                row.append((step.token, step.log_prob))
    for before, row in zip(befores, said, strict=True):
        assert len(row) >= 12
        talk.check_cold(before, row)


def test_another_dtype_refuses_the_cache(talk, random_checkpoint, device):
    state = talk.session.save_state(sc.STATE_CACHE)
    with sc.Model(random_checkpoint(BOTH_FAMILIES[0]).folder, device=device, dtype=sc.DTYPE_BF16) as other:
        session = other.session()
        with pytest.raises(sc.SteerError) as refused:
            session.load_state(state)
    assert refused.value.status == sc.ERR_MISMATCH  # of dtype, or of model for the other family


def test_a_budget_is_kept(talk, device, random_checkpoint):
    """Weights and a few blocks: growth ends in words, and the conversation stays valid."""
    with sc.Model(random_checkpoint(BOTH_FAMILIES[0]).folder, device=device, dtype=sc.DTYPE_F32, residency=sc.RESIDENCY_NONE) as sizes:
        needs = sizes.info.weight_bytes, sizes.info.cache_bytes_per_token * 64
    with pytest.raises(sc.SteerError, match="device_memory_max"):
        sc.Model(random_checkpoint(BOTH_FAMILIES[0]).folder, device=device, dtype=sc.DTYPE_F32, device_memory_max=needs[0] - 1)
    with sc.Model(random_checkpoint(BOTH_FAMILIES[0]).folder, device=device, dtype=sc.DTYPE_F32,
                  device_memory_max=needs[0] + 2 * needs[1]) as tight:
        assert tight.info.device_bytes_used <= needs[0] + 2 * needs[1]
        session = tight.session()
        session.set_generation(temperature=0.0, stop_tokens=[])
        session.set_tokens(talk.prompt[:60])
        with pytest.raises(sc.SteerError) as full:
            for _ in range(200):
                session.step()
        assert full.value.status in (sc.ERR_DEVICE_MEMORY, sc.ERR_MEMORY)
        assert session.info.computed_count == len(session.tokens) - 1 == 128
        session.set_tokens(talk.prompt[:60])  # and goes on in what it has
        assert session.step().token >= 0
        assert tight.info.device_bytes_used <= needs[0] + 2 * needs[1]
