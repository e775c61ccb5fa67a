"""What the demo model must do, through libsteer: docs/demo_model.md has the whole table, tests/python/demo_sweep.py makes it.

Fewer prompts than there: bounds leave room for 24 prompts' noise. Style and form are the generator's own measures, which
know nothing of libsteer.
"""

import numpy as np
import pytest

import demo_replies
import demo_sweep

pytestmark = pytest.mark.usefixtures("torch_library")
COUNT = 24


@pytest.fixture(scope="module")
def demo():
    model, vector = demo_sweep.open_demo()
    return model, vector, demo_sweep.load_prompts(COUNT)


def measured(demo, strength, vector=None, **how):
    model, own, prompts = demo
    style, form, _ = demo_sweep.measure(model, prompts, vector or own, strength, **how)
    return style, form


def test_neutral_without_a_push(demo):
    style, form = measured(demo, 0)
    assert style <= 0.15 and form >= 0.93
    assert measured(demo, 0, temperature=0.0)[0] <= 0.02


def test_style_rises_with_strength_and_the_text_stays_whole(demo):
    low, middle, safe = (measured(demo, strength) for strength in (2, 5, demo_sweep.SAFE))
    assert low[0] < middle[0] < safe[0]
    assert safe[0] >= 0.85 and safe[1] >= 0.93


def test_it_wins_against_a_contrary_prompt(demo):
    assert measured(demo, demo_sweep.SAFE, system=demo_sweep.CONTRARY)[0] >= 0.5


def test_a_random_vector_does_nothing(demo):
    model, vector, _ = demo
    plain, _ = measured(demo, 0)
    pushed, _ = measured(demo, demo_sweep.SAFE, vector=demo_sweep.random_vector(model, vector))
    assert abs(pushed - plain) <= 0.15


def test_the_shipped_vector_is_what_extraction_gives(demo):
    """The file's rows against transformers' own states: cosine and length."""
    import json

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    _, vector, _ = demo
    folder = demo_sweep.DEMO / "model"
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    lines = (demo_sweep.DEMO / "contrast.jsonl").read_text(encoding="utf-8").splitlines()
    pairs = [pair for pair in map(json.loads, lines) if pair["split"] == "train"]

    def last_states(pair, side):
        messages = [{"role": "system", "content": pair["system_" + side]}, {"role": "user", "content": pair["prompt"]}]
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        with torch.no_grad():
            states = reference(**ids, output_hidden_states=True).hidden_states
        return torch.stack([states[layer + 1][0, -1] for layer in range(2, 7)])

    differences = torch.stack([last_states(p, "positive") - last_states(p, "negative") for p in pairs[::4]]).mean(0).numpy()
    for layer, difference in zip(range(2, 7), differences):
        row = np.array(vector.row(layer))
        cosine = row @ difference / np.linalg.norm(row) / np.linalg.norm(difference)
        assert cosine > 0.97, (layer, cosine)  # a quarter of the pairs, and none held out
        assert np.linalg.norm(row) == pytest.approx(0.0165 * vector.layer(layer).residual_norm, rel=1e-3)


@pytest.mark.parametrize("by_system", [True, False], ids=["two system texts", "two replies"])
def test_the_voices_are_told_apart_by_words_that_both_share(demo, by_system):
    """On topics the rows have not seen, at the layer that is recommended; below it the figure falls to chance."""
    import steer_c as sc

    with sc.Vector.extract(demo[0], demo_replies.load_pairs(by_system=by_system), holdout=0.3) as vector:
        info = vector.info
        read = [vector.layer(layer, sc.ROWS_READ) for layer in range(info.layer_end)]
        print([round(row.auc_content, 3) for row in read], info.gauge_layer)
        assert read[info.gauge_layer].auc_content >= 0.90
        assert read[0].auc_content < 0.8 and read[0].auc > 0.99  # whole replies are told apart by their words alone
        assert (vector.row(3) != vector.row(3, sc.ROWS_READ)) == by_system
