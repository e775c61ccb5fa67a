"""The CPU draw against transformers' own logits processors: what is kept, the processed scores, the greedy choice."""

import json
import math
import subprocess

import numpy as np
import pytest
import torch
from transformers.generation.logits_process import (
    LogitsProcessorList, MinPLogitsWarper, RepetitionPenaltyLogitsProcessor, SequenceBiasLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper, TopPLogitsWarper, TypicalLogitsWarper)


class SampleProbe:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, logits, settings, twin_logits=(), **more):
        """The reply line, the processed scores and what is kept."""
        request = {"vocab_size": len(logits), "settings": settings, "twin": len(twin_logits) > 0, **more}
        rows = np.concatenate([logits, twin_logits]).astype(np.float32)
        self.process.stdin.write(json.dumps(request).encode() + b"\n" + rows.tobytes())
        self.process.stdin.flush()
        reply = json.loads(self.process.stdout.readline())
        scores = np.frombuffer(self.process.stdout.read(4 * len(logits)), dtype=np.float32)
        kept = np.frombuffer(self.process.stdout.read(len(logits)), dtype=np.uint8).astype(bool)
        return reply, scores, kept

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def sampler(probe):
    made = SampleProbe(probe("sample_probe"))
    yield made
    made.close()


def processors(settings):
    """In the order of GenerationMixin._get_logits_processor."""
    made = LogitsProcessorList()
    if settings.get("biases"):
        made.append(SequenceBiasLogitsProcessor({(token,): bias for token, bias in settings["biases"]}))
    if settings.get("repeat_penalty", 1.0) != 1.0:
        made.append(RepetitionPenaltyLogitsProcessor(settings["repeat_penalty"]))
    if settings.get("temperature", 1.0) != 1.0:
        made.append(TemperatureLogitsWarper(settings["temperature"]))
    if settings.get("top_k", 0) != 0:
        made.append(TopKLogitsWarper(settings["top_k"]))
    if settings.get("top_p", 1.0) < 1.0:
        made.append(TopPLogitsWarper(settings["top_p"]))
    if settings.get("min_p", 0.0) > 0.0:
        made.append(MinPLogitsWarper(settings["min_p"]))
    if settings.get("typical_p", 1.0) < 1.0:
        made.append(TypicalLogitsWarper(settings["typical_p"]))
    return made


def processed(logits, settings, tokens):
    """transformers' scores, in double so that sums at an edge are exact; -inf where an id is out."""
    ids = torch.tensor([tokens], dtype=torch.long)
    scores = torch.tensor(np.asarray(logits, dtype=np.float64))[None]
    return processors(settings)(ids, scores)[0].numpy()


def random_settings(random):
    def sometimes(value):
        return value if random.random() < 0.5 else None

    settings = {
        "temperature": sometimes(float(random.choice([0.1, 0.7, 1.3, 3.0]))),
        "top_k": sometimes(int(random.choice([1, 2, 20, 50, 5000]))),
        "top_p": sometimes(float(random.choice([0.01, 0.3, 0.8, 0.95, 0.999]))),
        "min_p": sometimes(float(random.choice([0.001, 0.05, 0.5, 1.0]))),
        "typical_p": sometimes(float(random.choice([0.05, 0.5, 0.9]))),
        "repeat_penalty": sometimes(float(random.choice([1.05, 1.3, 0.8]))),
    }
    return {name: value for name, value in settings.items() if value is not None}


@pytest.mark.parametrize("seed", range(8))
def test_kept_sets_and_scores_equal_transformers(sampler, seed):
    random = np.random.default_rng(seed)
    for _ in range(50):
        size = int(random.choice([5, 64, 257, 1500]))
        logits = (random.standard_normal(size) * random.choice([0.3, 2.0, 6.0])).astype(np.float32)
        logits[random.random(size) < 0.1] = -np.inf
        if np.isneginf(logits).all():
            logits[0] = 0.0
        tokens = random.integers(0, size, int(random.integers(1, 60))).tolist()
        settings = random_settings(random)
        if random.random() < 0.3:
            biased = random.choice(size, 3, replace=False).tolist()
            settings["biases"] = [[token, float(random.choice([-3.0, 0.5, 4.0]))] for token in biased]
        _, scores, kept = sampler.ask(logits, settings, tokens=tokens)
        expected = processed(logits, settings, tokens)
        assert kept.tolist() == np.isfinite(expected).tolist(), (settings, size)
        np.testing.assert_allclose(scores[kept], expected[kept], rtol=2e-6, atol=1e-6)


def test_kept_sets_equal_transformers_at_a_whole_vocabulary(sampler):
    random = np.random.default_rng(99)
    for scale, settings in [(0.01, {"top_p": 0.9}), (2.0, {"top_p": 0.9}),
                            (3.0, {"temperature": 0.7, "top_k": 20, "top_p": 0.8}),
                            (3.0, {"typical_p": 0.8}), (1.0, {"top_k": 3000, "min_p": 0.05}), (2.0, {"top_p": 0.9999})]:
        logits = (random.standard_normal(151643) * scale).astype(np.float32)
        _, _, kept = sampler.ask(logits, settings)
        expected = np.isfinite(processed(logits, settings, [0]))
        # float32 logits so close that their order at the edge turns on the last bit of a sum of 150,000 terms
        assert abs(int(kept.sum()) - int(expected.sum())) <= 1e-5 * len(logits), (scale, settings)
        assert (kept != expected).sum() <= 1e-5 * len(logits), (scale, settings)


def test_presence_and_frequency_are_openais_formula(sampler):
    """mu[j] - c[j] * alpha_frequency - float(c[j] > 0) * alpha_presence, c over the reply, after the repeat penalty."""
    random = np.random.default_rng(5)
    for _ in range(30):
        size = 100
        logits = (random.standard_normal(size) * 3).astype(np.float32)
        tokens = random.integers(0, 30, 80).tolist()
        reply_begin, window = int(random.integers(0, 81)), int(random.choice([-1, 0, 10, 60, 500]))
        settings = {"presence_penalty": 0.7, "frequency_penalty": -0.3, "repeat_penalty": 1.2, "penalty_window": window}
        _, scores, _ = sampler.ask(logits, settings, tokens=tokens, reply_begin=reply_begin)

        first = 0 if window < 0 else max(0, len(tokens) - window)
        expected = logits.astype(np.float64)
        for token in set(tokens[first:]):
            expected[token] = expected[token] * 1.2 if expected[token] < 0 else expected[token] / 1.2
        counts = np.bincount(tokens[max(first, reply_begin):], minlength=size)
        expected -= counts * -0.3 + (counts > 0) * 0.7
        np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=1e-6)


def test_log_prob_and_entropy_are_torchs(sampler):
    random = np.random.default_rng(6)
    for scale in (0.1, 3.0, 30.0):
        logits = (random.standard_normal(20000) * scale).astype(np.float32)
        reply, _, _ = sampler.ask(logits, {"temperature": 0.5, "top_k": 3})
        log_probs = torch.log_softmax(torch.tensor(logits, dtype=torch.float64), -1)
        assert reply["log_prob"] == pytest.approx(log_probs[reply["tokens"][0]].item(), rel=1e-6, abs=1e-6)
        assert reply["entropy"] == pytest.approx(-(log_probs.exp() * log_probs).sum().item(), rel=1e-6, abs=1e-6)


def test_greedy_is_argmax_of_the_penalised_scores(sampler):
    random = np.random.default_rng(7)
    for _ in range(50):
        logits = (random.standard_normal(500) * 2).astype(np.float32)
        tokens = np.argsort(-logits)[:5].tolist() + random.integers(0, 500, 10).tolist()
        settings = {"repeat_penalty": 1.3, "biases": [[int(random.integers(500)), 2.0]]}
        reply, _, kept = sampler.ask(logits, {**settings, "temperature": 0.0, "top_k": 5}, tokens=tokens)
        expected = int(processed(logits, settings, tokens).argmax())
        assert reply["greedy"] and reply["tokens"] == [expected]
        assert np.flatnonzero(kept).tolist() == [expected]


def philox4x32(counter, key):
    """Philox4x32-10 in Python's own integers."""
    x, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * x[0], 0xCD9E8D57 * x[2]
        x = [(b >> 32) ^ x[1] ^ k[0], b & 0xFFFFFFFF, (a >> 32) ^ x[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return x


def test_draws_are_gumbel_max_with_the_documented_noise(sampler):
    random = np.random.default_rng(8)
    seed = 0x123456789ABCDEF
    logits = (random.standard_normal(200) * 2).astype(np.float32)
    settings = {"temperature": 0.8, "top_k": 40}
    positions = [0, 1, 77, 4095, 2**31 - 1]
    reply, scores, kept = sampler.ask(logits, settings, seed=seed, positions=positions)
    for position, token in zip(positions, reply["tokens"], strict=True):
        noisy = np.full(200, -np.inf)
        for i in np.flatnonzero(kept):
            word = philox4x32((int(i) // 4, position, 0, 0), (seed & 0xFFFFFFFF, seed >> 32))[i % 4]
            u = (word + 0.5) / 2**32
            noisy[i] = float(scores[i]) - math.log(-math.log1p(-u))
        assert token == int(noisy.argmax())


def test_equal_seeds_give_matched_draws(sampler):
    """Of two near distributions most draws agree: what makes two strengths comparable."""
    random = np.random.default_rng(9)
    logits = (random.standard_normal(300) * 2).astype(np.float32)
    pushed = logits + (random.standard_normal(300) * 0.02).astype(np.float32)
    positions = list(range(400))
    a, b = (sampler.ask(x, {}, seed=3, positions=positions)[0]["tokens"] for x in (logits, pushed))
    assert np.mean(np.equal(a, b)) > 0.95
    other = sampler.ask(logits, {}, seed=4, positions=positions)[0]["tokens"]
    assert np.mean(np.equal(a, other)) < 0.5


def test_a_row_that_is_not_finite_is_said_to_be_so(sampler):
    for bad in (math.nan, math.inf):
        assert sampler.ask([0.0, bad, 1.0], {})[0]["finite"] is False
    assert sampler.ask([0.0, -math.inf], {"biases": [[0, None]]})[0] == {
        "finite": False, "greedy": False, "log_prob": 0.0, "entropy": 0.0, "tokens": [-1]}
