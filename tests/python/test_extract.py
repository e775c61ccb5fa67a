"""steer_vector_extract against transformers' hidden states pooled in Python, for every pooling, and which rows it makes of them."""

from collections import Counter

import numpy as np
import pytest
import torch

import checkpoints
import steer_c as sc
from checkpoints import SHAPES
from parity import Row, run_hooked

PAIRS = [  # (positive, negative, group); a passage is (system, prompt, reply)
    ((None, "今日は?", "あーし、マジでおなかすいたんだけど!"), (None, "今日は?", "いい天気ですね。"), 1),
    ((None, "今日は?", "あーし、散歩に行きません"), (None, "今日は?", "散歩に行きませんか。"), 1),
    (("You are loud.", "What is it?", "The fox goes home!!"), ("You are quiet.", "What is it?", "a fox."), 2),
    ((None, "りんご 3 個", "マジで 1,280 円"), (None, "りんご 3 個", "合計で 1,280 円になります。"), 3),
    ((None, "quick", "brown fox " * 9), (None, "quick", "jumps over the lazy dog " * 4), 3),
    ((None, "dog", "It does not mind."), (None, "dog", "It does mind the evening."), 3),
]
MODELS = [shape for shape in SHAPES if shape.name in ("qwen2-gqa2-tied-older-keys", "qwen3-yarn")]


BY_SYSTEM = [  # the same words under two system texts
    (("あーしはギャル!", "今日は?", "散歩、マジで行きませんか。"), ("You are quiet.", "今日は?", "散歩に行きませんか。"), 1),
    (("You are loud.", "What is it?", "The fox goes home!!"), (None, "What is it?", "the fox goes home."), 2),
    (("You are loud.", "りんご 3 個", "マジで 1,280 円"), ("quiet", "りんご 3 個", "合計で 1,280 円になります。"), 3),
    (("loud dog", "quick", "brown fox jumps"), ("You are quiet.", "quick", "brown fox jumps over the dog"), 3),
]


def encode(passage):
    """Ids, and positions that the prompt's and the reply's characters cover."""
    system, prompt, reply = passage
    text = f"<|im_start|>system\n{system}<|im_end|>\n" if system else ""
    prompt_begin = len(text) + len("<|im_start|>user\n")
    text += f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
    reply_begin = len(text)
    text += f"{reply}<|im_end|>\n"
    encoding = checkpoints.tokenizer().encode(text)

    def covered(begin, end):
        return [i for i, (a, b) in enumerate(encoding.offsets) if a < end and b > begin]

    return encoding.ids, covered(prompt_begin, prompt_begin + len(prompt)), covered(reply_begin, reply_begin + len(reply))


def pooled_positions(passage, pooling, other):
    """Ids, and which of them a pooling looks at; other: the pair's other passage."""
    ids, asked, spoken = encode(passage)
    if pooling == sc.POOL_SHARED_TOKENS:  # each id as often as both replies have it, the first ones
        other_ids, _, other_spoken = encode(other)
        left = Counter(other_ids[i] for i in other_spoken)
        shared = []
        for i in spoken:
            if left[ids[i]] > 0:
                left[ids[i]] -= 1
                shared.append(i)
        return ids, shared
    return ids, {
        sc.POOL_REPLY_MEAN: spoken,
        sc.POOL_USER_MEAN: asked,
        sc.POOL_PROMPT_LAST: [spoken[0] - 1],
        sc.POOL_REPLY_LAST: spoken[-1:],
        sc.POOL_LAST: [len(ids) - 1],
    }[pooling]


def pooled_state(model, passage, pooling, other=None):
    """[layers, hidden]"""
    ids, positions = pooled_positions(passage, pooling, other)
    states = run_hooked(model, Row(ids)).before
    return states[positions, 1:].astype(np.float64).mean(0)


def mean_difference(model, pairs, pooling):
    """Groups count alike, however many pairs each has."""
    differences = {}
    for positive, negative, group in pairs:
        difference = pooled_state(model, positive, pooling, negative) - pooled_state(model, negative, pooling, positive)
        differences.setdefault(group, []).append(difference)
    return np.mean([np.mean(of_group, axis=0) for of_group in differences.values()], axis=0)


def rows_of(vector, rows=sc.ROWS_WRITE):
    return np.array([vector.row(layer, rows) for layer in range(vector.info.layer_end)])


@pytest.mark.parametrize("pooling", [sc.POOL_REPLY_MEAN, sc.POOL_USER_MEAN, sc.POOL_PROMPT_LAST, sc.POOL_REPLY_LAST,
                                     sc.POOL_LAST, sc.POOL_SHARED_TOKENS])
@pytest.mark.parametrize("shape", MODELS, ids=str)
def test_rows_are_mean_differences(torch_library, random_checkpoint, shape, pooling):
    """With nothing held out all pairs make the rows."""
    checkpoint = random_checkpoint(shape)
    pairs = BY_SYSTEM if pooling == sc.POOL_SHARED_TOKENS else PAIRS
    expected = mean_difference(checkpoint.model, pairs, pooling)
    states = pooled_state(checkpoint.model, pairs[0][0], pooling, pairs[0][1])

    with sc.Model(checkpoint.folder, dtype=sc.DTYPE_F32) as model:
        with sc.Vector.extract(model, pairs, pooling=pooling, holdout=0.0) as vector:
            info = vector.info
            assert (info.layer_begin, info.layer_end, info.hidden_size) == (0, *expected.shape)
            assert bytes(info.model_fingerprint) == bytes(model.info.fingerprint)
            assert info.site_measured == sc.SITE_OUTPUT
            rows = rows_of(vector)
            assert np.array_equal(rows, rows_of(vector, sc.ROWS_READ))  # one set
            for layer in range(info.layer_end):
                assert vector.layer(layer).norm == pytest.approx(np.linalg.norm(expected[layer]), rel=1e-4, abs=1e-5)
    if pooling == sc.POOL_USER_MEAN:  # causal attention: only the pair with different system texts differs there
        assert np.abs(expected).max() > 0.01
    assert np.abs(rows - expected).max() < 2e-5 * np.abs(states).max()


@pytest.mark.parametrize("shape", MODELS, ids=str)
def test_two_system_texts_give_rows_to_write_and_rows_to_read(torch_library, random_checkpoint, shape):
    checkpoint = random_checkpoint(shape)
    written = mean_difference(checkpoint.model, BY_SYSTEM, sc.POOL_USER_MEAN)
    read = mean_difference(checkpoint.model, BY_SYSTEM, sc.POOL_REPLY_MEAN)
    states = pooled_state(checkpoint.model, BY_SYSTEM[0][0], sc.POOL_REPLY_MEAN)
    with sc.Model(checkpoint.folder, dtype=sc.DTYPE_F32) as model:
        with sc.Vector.extract(model, BY_SYSTEM, holdout=0.0) as vector:
            assert np.abs(rows_of(vector) - written).max() < 2e-5 * np.abs(states).max()
            assert np.abs(rows_of(vector, sc.ROWS_READ) - read).max() < 2e-5 * np.abs(states).max()


def test_methods_through_the_decoder(torch_library, random_checkpoint):
    """One pair a group, so that no weights are needed; tests/python/test_extract_methods.py has the cases."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    checkpoint = random_checkpoint(MODELS[0])
    pairs = [(positive, negative, i) for i, (positive, negative, _) in enumerate(PAIRS)]
    pooled = [np.array([pooled_state(checkpoint.model, pair[side], sc.POOL_REPLY_MEAN) for pair in pairs]) for side in (0, 1)]
    with sc.Model(checkpoint.folder, dtype=sc.DTYPE_F32) as model:
        found = {method: sc.Vector.extract(model, pairs, method=method, holdout=0.0) for method in range(5)}
        for layer in range(model.info.layer_count):
            p, n = (states[:, layer] for states in pooled)
            mean = (p - n).mean(0)
            for method, data in ((sc.METHOD_PCA_CENTRED, p - n - mean), (sc.METHOD_PCA_UNCENTRED, p - n),
                                 (sc.METHOD_PCA_PAIRS, np.concatenate([p - n, n - p]) / 2)):
                component = np.linalg.svd(data)[2][0]
                component *= np.sign(component @ mean)
                assert np.abs(found[method].row(layer) - component).max() < 1e-3, (method, layer)
            states = np.concatenate([p, n])
            spread = ((states - states.mean(0)) ** 2).sum(1).mean()
            probe = linear_model.LogisticRegression(C=1 / spread, solver="newton-cholesky", tol=1e-10, max_iter=1000)
            weights = probe.fit(states, [1] * len(p) + [0] * len(n)).coef_[0]
            assert np.abs(found[sc.METHOD_PROBE].row(layer, sc.ROWS_READ) - weights).max() < 1e-3 * np.abs(weights).max()
            assert found[sc.METHOD_PROBE].row(layer) == found[sc.METHOD_MEAN_DIFFERENCE].row(layer)


def test_the_shared_tokens_say_nothing_before_the_first_block(torch_library, random_checkpoint):
    """The same ids as often: their sum at the embedding is the same, whichever replies they were taken from."""
    for positive, negative, _ in BY_SYSTEM:
        ids, other_ids = ([encode(a)[0][i] for i in pooled_positions(a, sc.POOL_SHARED_TOKENS, b)[1]]
                          for a, b in ((positive, negative), (negative, positive)))
        assert sorted(ids) == sorted(other_ids) and ids


def test_pairs_that_give_nothing_to_pool_are_named(torch_library, random_checkpoint):
    checkpoint = random_checkpoint(MODELS[0])
    apart = ((None, "dog", "abc"), (None, "dog", "xyz"), 9)
    with sc.Model(checkpoint.folder, dtype=sc.DTYPE_F32) as model:
        for pairs, pooling, words in ((PAIRS + [apart], sc.POOL_SHARED_TOKENS, r"pairs\[6\].positive: .*share none"),
                                      ([((None, "a", "b"), (None, "a", None), 1)], sc.POOL_REPLY_MEAN,
                                       r"pairs\[0\].negative: .*give a reply")):
            with pytest.raises(sc.SteerError, match=words):
                sc.Vector.extract(model, pairs, pooling=pooling, holdout=0.0)


def test_an_extracted_vector_moves_a_reply_towards_its_own_side(torch_library, random_checkpoint):
    """The projection on the rows rises by the push where nothing lies between, as algebra has it."""
    checkpoint = random_checkpoint(MODELS[0])
    with sc.Model(checkpoint.folder, dtype=sc.DTYPE_F32) as model:
        vector = sc.Vector.extract(model, PAIRS, holdout=0.0)
        last = vector.info.layer_end - 1
        row = torch.tensor(vector.row(last))
        told = []
        for strength in (0.0, 1.5):
            with model.session() as session:
                session.set_generation(temperature=0.0, stop_tokens=[])
                session.inject(vector, strength, layer_begin=last, layer_end=last + 1)
                gauge = session.gauge(vector, last, metric=sc.METRIC_PROJECTION, tap=sc.TAP_AFTER)
                session.set_tokens(model.encode("The fox"))
                while (step := session.step()).is_prompt:
                    pass
                told.append(step.gauges[sc.slot(gauge)])
        assert told[1] - told[0] == pytest.approx(1.5 * row.norm().item(), rel=1e-4)


@pytest.mark.parametrize("method", [sc.METHOD_MEAN_DIFFERENCE, sc.METHOD_PROBE])
def test_an_extraction_that_was_cut_off_goes_on(torch_library, random_checkpoint, tmp_path, method):
    pairs = [(positive, negative, group + 10 * i) for i in range(12) for positive, negative, group in PAIRS]
    kept = tmp_path / "states"
    with sc.Model(random_checkpoint(MODELS[0]).folder) as model:
        def extract(stop_at=None, **more):
            told = []

            def progress(_, share):
                told.append(share)
                return int(stop_at is not None and share >= stop_at)

            with sc.Vector.extract(model, pairs, method=method, progress_fn=sc.ProgressFn(progress), **more) as vector:
                return [vector.row(layer) for layer in range(vector.info.layer_begin, vector.info.layer_end)]

        expected = extract()
        with pytest.raises(sc.SteerError):
            extract(stop_at=0.5, resume_path=str(kept).encode())
        half = kept.stat().st_size
        kept.write_bytes(kept.read_bytes()[:-100])  # as a crash leaves it
        np.testing.assert_allclose(extract(resume_path=str(kept).encode()), expected, rtol=1e-4, atol=1e-6)
        whole = kept.stat().st_size
        assert 100 < half < 0.8 * whole
        extract(resume_path=str(kept).encode())
        assert kept.stat().st_size == whole  # nothing was read anew
        extract(resume_path=str(kept).encode(), layer_begin=1)
        assert kept.stat().st_size > whole  # other states
        with pytest.raises(sc.SteerError, match="resume_path"):
            sc.Vector.create(np.ones((1, model.info.hidden_size)), model=model).calibrate(model, pairs, resume_path=b"x")
        other = tmp_path / "diary"
        other.write_text("not yours to overwrite, and long enough")
        with pytest.raises(sc.SteerError, match="something else"):
            extract(resume_path=str(other).encode())
