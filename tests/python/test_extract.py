"""steer_vector_extract against mean differences of transformers' hidden states, for every pooling."""

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


def pooled_positions(passage, pooling):
    """Ids, and which of them a pooling looks at, from the characters that the tokens cover."""
    system, prompt, reply = passage
    text = f"<|im_start|>system\n{system}<|im_end|>\n" if system else ""
    prompt_begin = len(text) + len("<|im_start|>user\n")
    text += f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
    reply_begin = len(text)
    text += f"{reply}<|im_end|>\n"
    encoding = checkpoints.tokenizer().encode(text)

    def covered(begin, end):
        return [i for i, (a, b) in enumerate(encoding.offsets) if a < end and b > begin]

    spoken = covered(reply_begin, reply_begin + len(reply))
    return encoding.ids, {
        sc.POOL_REPLY_MEAN: spoken,
        sc.POOL_USER_MEAN: covered(prompt_begin, prompt_begin + len(prompt)),
        sc.POOL_PROMPT_LAST: [spoken[0] - 1],
        sc.POOL_REPLY_LAST: spoken[-1:],
        sc.POOL_LAST: [len(encoding.ids) - 1],
    }[pooling]


def pooled_state(model, passage, pooling):
    """[layers, hidden]"""
    ids, positions = pooled_positions(passage, pooling)
    states = run_hooked(model, Row(ids)).before
    return states[positions, 1:].astype(np.float64).mean(0)


@pytest.mark.parametrize(
    "pooling", [sc.POOL_REPLY_MEAN, sc.POOL_USER_MEAN, sc.POOL_PROMPT_LAST, sc.POOL_REPLY_LAST, sc.POOL_LAST])
@pytest.mark.parametrize("shape", MODELS, ids=str)
def test_rows_are_mean_differences(torch_library, random_checkpoint, shape, pooling):
    """Groups count alike, however many pairs each has; with nothing held out all of them make the rows."""
    checkpoint = random_checkpoint(shape)
    differences = {}
    for positive, negative, group in PAIRS:
        of_persona, of_neutral = (pooled_state(checkpoint.model, side, pooling) for side in (positive, negative))
        differences.setdefault(group, []).append(of_persona - of_neutral)
    expected = np.mean([np.mean(of_group, axis=0) for of_group in differences.values()], axis=0)
    states = pooled_state(checkpoint.model, PAIRS[0][0], pooling)

    with sc.Model(checkpoint.folder, dtype=sc.DTYPE_F32) as model:
        with sc.Vector.extract(model, PAIRS, pooling=pooling, holdout=0.0) as vector:
            info = vector.info
            assert (info.layer_begin, info.layer_end, info.hidden_size) == (0, *expected.shape)
            assert bytes(info.model_fingerprint) == bytes(model.info.fingerprint)
            assert info.site_measured == sc.SITE_OUTPUT
            rows = np.array([vector.row(layer) for layer in range(info.layer_end)])
            for layer in range(info.layer_end):
                assert vector.layer(layer).norm == pytest.approx(np.linalg.norm(expected[layer]), rel=1e-4, abs=1e-5)
    if pooling == sc.POOL_USER_MEAN:  # causal attention: only the pair with different system texts differs there
        assert np.abs(expected).max() > 0.01
    assert np.abs(rows - expected).max() < 2e-5 * np.abs(states).max()


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
