"""The twin and the KL budget: the mixture against float64 NumPy, and what comes with each token against transformers, run
once with the hooks and once without."""

import numpy as np
import pytest

import steer_c as sc
from parity import Row, run_hooked
from test_door_parity import GREEDY, family, load, pushes_at_sites, reply_logits, some_ids, some_vector, speak  # noqa: F401
from test_sampler import sampler  # noqa: F401


def log_softmax(logits):
    logits = np.asarray(logits, dtype=np.float64)
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def divergence(log_p, log_q):
    return float((np.exp(log_p) * (log_p - log_q)).sum())


def on_the_way(log_p, log_q, share):
    return log_softmax(log_q + share * (log_p - log_q))


def largest_share(log_p, log_q, budget):
    """By halving, in float64."""
    if divergence(log_p, log_q) <= budget:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        if divergence(on_the_way(log_p, log_q, middle), log_q) <= budget:
            low = middle
        else:
            high = middle
    return low


def ask(sampler, steered, twin, budget):  # noqa: F811
    reply, _, _ = sampler.ask(steered, {"kl_budget": budget, "temperature": 0.0}, twin_logits=twin)
    return reply


@pytest.mark.parametrize("size, rounds", [(2, 40), (5, 60), (64, 60), (257, 60), (1500, 40), (151643, 3)])
def test_the_budget_is_used_up_and_not_overdrawn(sampler, size, rounds):  # noqa: F811
    random = np.random.default_rng(size)
    bound = 0
    for _ in range(rounds):
        twin = (random.standard_normal(size) * random.choice([0.3, 3.0, 8.0])).astype(np.float32)
        steered = (twin + random.standard_normal(size) * random.choice([0.01, 1.0, 10.0])).astype(np.float32)
        budget = float(random.choice([0.001, 0.1, 0.7, 2.0]))
        log_p, log_q = log_softmax(steered), log_softmax(twin)
        reply, share = ask(sampler, steered, twin, budget), largest_share(log_p, log_q, budget)
        mixture = on_the_way(log_p, log_q, share)
        assert reply["kl_share"] == pytest.approx(share, abs=2e-4)
        assert reply["kl"] <= budget
        assert reply["kl"] == pytest.approx(min(budget, divergence(log_p, log_q)), rel=3e-4, abs=1e-5)
        assert reply["entropy"] == pytest.approx(-(np.exp(mixture) * mixture).sum(), abs=2e-3)
        [token] = reply["tokens"]
        assert mixture[token] == pytest.approx(mixture.max(), abs=1e-3)
        assert reply["log_prob"] == pytest.approx(mixture[token], abs=1e-3)
        assert reply["twin_log_prob"] == pytest.approx(log_q[token], abs=1e-5)
        bound += share < 1.0
    assert 0 < bound < rounds or size > 100000


def test_rows_without_a_common_token_are_divided_too(sampler):  # noqa: F811
    """Each row is sure of a token that the other one all but excludes."""
    twin, steered = np.full(50, -60.0, dtype=np.float32), np.full(50, -60.0, dtype=np.float32)
    twin[3], steered[7] = 0.0, 0.0
    for budget in (0.01, 1.0, 30.0):
        reply = ask(sampler, steered, twin, budget)
        assert reply["kl"] <= budget
        assert reply["kl_share"] == pytest.approx(largest_share(log_softmax(steered), log_softmax(twin), budget), abs=1e-3)
    assert ask(sampler, steered, twin, 100.0)["kl_share"] == 1.0


def both_logits(loaded, prompt, steps, pushes, rows):
    steered, _ = reply_logits(loaded, prompt, steps, pushes, rows)
    plain, _ = reply_logits(loaded, prompt, steps)
    return log_softmax(steered.numpy()), log_softmax(plain.numpy())


def test_kl_and_twin_are_transformers(family):
    random = np.random.default_rng(1)
    rows, vector = some_vector(random, family)
    pushes = pushes_at_sites(2.0)(range(family.layers))
    for chunk in (0, 7):
        with family.model.session(twin=1, prefill_chunk=chunk) as session, family.model.session() as alone:
            for one in (session, alone):
                one.set_generation(**GREEDY)
                one.inject(vector, 2.0)
            last = family.layers - 1
            session.gauge(vector, last, reading=sc.READING_TWIN, metric=sc.METRIC_PROJECTION)
            prompt = some_ids(random, 20)
            steps = speak(session, prompt, 24)
            log_p, log_q = both_logits(family, prompt, steps, pushes, rows)
            tokens = [step.token for step in steps]
            assert tokens == log_p.argmax(-1).tolist()
            expected = [divergence(p, q) for p, q in zip(log_p, log_q, strict=True)]
            assert min(expected) > 0.01
            np.testing.assert_allclose([step.kl for step in steps], expected, rtol=1e-3)
            assert all(step.kl_share == 1.0 for step in steps)
            np.testing.assert_allclose([step.twin_log_prob for step in steps], log_q[range(24), tokens], atol=1e-4)
            ids = prompt + tokens[:-1]
            states = run_hooked(family.reference, Row(ids)).after[-24:, last + 1]
            gauges = states @ rows[last] / np.linalg.norm(rows[last])
            np.testing.assert_allclose([step.gauges[0] for step in steps], gauges, rtol=1e-3, atol=1e-3)
            without = speak(alone, prompt, 24)
            assert [step.token for step in without] == tokens
            np.testing.assert_allclose([step.log_prob for step in without], [step.log_prob for step in steps], atol=1e-5)


@pytest.mark.parametrize("budget", [0.05, 0.5])
def test_replies_within_a_budget_are_the_mixtures(family, budget):
    random = np.random.default_rng(2)
    rows, vector = some_vector(random, family)
    pushes = pushes_at_sites(4.0)(range(family.layers))
    with family.model.session(twin=1) as session:
        session.set_generation(**GREEDY, kl_budget=budget)
        session.inject(vector, 4.0)
        prompt = some_ids(random, 16)
        steps = speak(session, prompt, 20)
    log_p, log_q = both_logits(family, prompt, steps, pushes, rows)
    for step, p, q in zip(steps, log_p, log_q, strict=True):
        share = largest_share(p, q, budget)
        mixture = on_the_way(p, q, share)
        assert step.kl_share == pytest.approx(share, abs=1e-3)
        assert step.token == mixture.argmax()
        assert step.log_prob == pytest.approx(mixture[step.token], abs=1e-3)
        assert step.kl <= budget
    assert any(step.kl_share < 0.9 for step in steps)


def test_strength_zero_has_no_divergence(family):
    random = np.random.default_rng(3)
    _, vector = some_vector(random, family)
    with family.model.session(twin=1) as session:
        session.set_generation(**GREEDY)
        session.inject(vector, 0.0)
        for step in speak(session, some_ids(random, 10), 12):
            assert step.kl == pytest.approx(0.0, abs=1e-6)
            assert step.twin_log_prob == pytest.approx(step.log_prob, abs=1e-5)


def test_twins_of_a_batch_are_their_own(family):
    """Four sessions at once, two of them with twins, each as when it runs alone."""
    random = np.random.default_rng(4)
    _, vector = some_vector(random, family)
    prompts, strengths = [some_ids(random, n) for n in (5, 9, 14, 20)], (0.0, 1.0, 2.0, -2.0)

    def sessions():
        made = []
        for i, (prompt, strength) in enumerate(zip(prompts, strengths, strict=True)):
            session = family.model.session(twin=i % 2)
            session.set_generation(**GREEDY)
            session.inject(vector, strength)
            session.set_tokens(prompt)
            made.append(session)
        return made

    def finite(values):
        return [value for value in values if np.isfinite(value)]

    together, alone = sessions(), sessions()
    many = [sc.step_many(together) for _ in range(14)]
    for i, session in enumerate(alone):
        one = [session.step() for _ in range(14)]
        assert [step.token for step in one] == [row[i].token for row in many]
        expected = finite([step.kl for step in one])
        assert len(expected) == (i % 2) * len([step for step in one if step.token >= 0])
        np.testing.assert_allclose(finite([row[i].kl for row in many]), expected, atol=1e-4)

    for session in together + alone:
        session.close()
