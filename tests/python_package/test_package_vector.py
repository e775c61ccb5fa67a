"""Vectors from Python: NumPy and torch in, views out whose memory lives, repeng's dictionaries, arithmetic, files, measuring."""

import gc

import numpy as np
import pytest
import torch

import steer

ROWS = np.random.default_rng(5).standard_normal((3, 8)).astype(np.float32)


def test_rows_come_back_as_they_were():
    vector = steer.Vector.from_rows(ROWS, layer_begin=4, name="x", site_measured="output", site_applied="input")
    assert vector.layers == range(4, 7) and vector.info.name == "x"
    assert (vector.info.site_measured, vector.info.site_applied) == ("output", "input")
    for layer, row in vector.to_layers().items():
        assert row.dtype == np.float32 and np.array_equal(row, ROWS[layer - 4]) and np.array_equal(vector[layer], row)
        assert vector.layer(layer).norm == pytest.approx(np.linalg.norm(row))


@pytest.mark.parametrize("given", [
    ROWS.tolist(), ROWS.astype(np.float64), np.asfortranarray(ROWS), ROWS[::-1][::-1], torch.tensor(ROWS), torch.tensor(ROWS, requires_grad=True),
    torch.nn.Parameter(torch.tensor(ROWS).double()), memoryview(ROWS),
], ids=["list", "float64", "fortran", "strided", "tensor", "gradient", "parameter", "buffer"])  # fmt: skip
def test_many_kinds_of_arrays_are_taken(given):
    assert np.array_equal(np.stack(list(steer.Vector.from_rows(given).to_layers().values())), ROWS)


def test_tensors_of_sixteen_bits_are_taken():
    rows = torch.tensor(ROWS).bfloat16()
    assert np.array_equal(steer.Vector.from_rows(rows)[0], rows.float().numpy()[0])


@pytest.mark.parametrize("given", [ROWS[0], ROWS[None], np.zeros((0, 8)), np.zeros((2, 8)), np.full((2, 8), np.nan)])
def test_what_is_no_rows_is_refused(given):
    with pytest.raises(ValueError):
        steer.Vector.from_rows(given)


def test_rows_are_views_that_live_and_cannot_be_written():
    vector = steer.Vector.from_rows(ROWS)
    first, second = vector[1], vector[1]
    assert np.shares_memory(first, second) and not first.flags.writeable and not first.flags.owndata
    with pytest.raises(ValueError):
        first[0] = 1.0
    with pytest.raises(ValueError):
        first.setflags(write=True)
    del vector, second
    gc.collect()
    [steer.Vector.from_rows(np.zeros((3, 8)) + 7) for _ in range(64)]  # would take the memory, were it free
    assert np.array_equal(first, ROWS[1])


def test_dictionaries_as_repeng_and_peft_have_them():
    wanted = {1: ROWS[0], 2: ROWS[1], 5: ROWS[2]}
    by_module = {f"base_model.model.model.layers.{layer}": row for layer, row in wanted.items()}
    for given in (wanted, by_module, {layer: torch.tensor(row) for layer, row in wanted.items()}):
        vector = steer.Vector.from_layers(given, name="gap")
        assert vector.info.name == "gap"
        found = vector.to_layers()
        assert list(found) == [1, 2, 5] and all(np.array_equal(found[layer], wanted[layer]) for layer in wanted)
    with pytest.raises(KeyError):
        vector[3]
    for bad in ({"lm_head": ROWS[0]}, {}, {"layers.x": ROWS[0]}):
        with pytest.raises(ValueError):
            steer.Vector.from_layers(bad)


def test_arithmetic_is_numpys():
    other = np.random.default_rng(6).standard_normal((3, 8)).astype(np.float32)
    a, b = steer.Vector.from_rows(ROWS), steer.Vector.from_rows(other)
    for made, expected in ((0.5 * a + b * 2, 0.5 * ROWS + 2 * other), (a - b, ROWS - other), (-a, -ROWS)):
        np.testing.assert_allclose(np.stack([made[i] for i in range(3)]), expected, rtol=1e-6, atol=1e-6)
    unit = steer.Vector.combine([(a, 1.0), (b, 1.0)], norm=3.0)
    np.testing.assert_allclose([np.linalg.norm(unit[i]) for i in range(3)], 3.0, rtol=1e-6)


@pytest.mark.parametrize("ending", [".safetensors", ".gguf", ".svec"])
def test_files_keep_rows(tmp_path, ending):
    path = tmp_path / f"vector{ending}"
    steer.Vector.from_rows(ROWS, layer_begin=1, name="x").save(path)
    for again in (steer.Vector.from_file(path), steer.Vector.from_bytes(path.read_bytes()), steer.Vector.from_pretrained(path)):
        assert list(again.to_layers()) == [1, 2, 3]
        assert np.array_equal(again[2], ROWS[1])


def test_a_torch_file_is_read_by_torch_and_back(tmp_path):
    steer.Vector.from_rows(ROWS, layer_begin=1, site_measured="output", site_applied="input").save(tmp_path / "v.pt")
    rows = torch.load(tmp_path / "v.pt", weights_only=True)
    assert sorted(rows) == [1, 2, 3]
    np.testing.assert_array_equal(rows[2].numpy(), ROWS[1].astype(np.float16))
    assert np.array_equal(steer.Vector.from_file(tmp_path / "v.pt")[2], ROWS[1].astype(np.float16).astype(np.float32))


def test_a_vector_of_another_model_is_refused(demo, loaded, persona, tmp_path):
    with pytest.raises(steer.MismatchError):
        steer.Vector.from_file(steer.demo_vector_path(), model=loaded.model)
    with loaded.model.session() as session, pytest.raises(steer.MismatchError):
        session.steer(persona, 1.0)


def test_extraction_is_the_mean_difference_of_transformers_states(loaded):
    """The mean over the reply's own positions, per text; then over texts; one group each."""
    pairs = [("The fox goes home.", "In the evening it is quiet."), ("What is it?", "the lazy dog does not mind"), ("あーし、マジで", "散歩に行きませんか")]
    shares = []
    ours = steer.Vector.extract(loaded.model, pairs, method="mean_difference", pooling="reply_mean", holdout=0.0, name="mine", progress=shares.append)
    assert ours.info.name == "mine" and shares == sorted(shares) and shares[-1] == pytest.approx(1.0)

    def states(text):
        ids = loaded.model.encode(text)
        with torch.no_grad():
            hidden = loaded.reference(torch.tensor([ids.tolist()]), output_hidden_states=True).hidden_states
        return torch.stack(hidden).numpy()[1:, 0].mean(axis=1)  # [layers, hidden], the last behind the final norm

    expected = np.mean([states(a) - states(b) for a, b in pairs], axis=0)
    for layer in range(loaded.layers - 1):
        cosine = ours[layer] @ expected[layer] / np.linalg.norm(ours[layer]) / np.linalg.norm(expected[layer])
        assert cosine > 0.9999, layer


def test_an_extraction_is_taken_up_where_it_was_stopped(loaded, tmp_path):
    pairs, kept = [(f"The fox goes home {n}.", f"In the evening it is {n}.") for n in range(30)], tmp_path / "states"
    expected = steer.Vector.extract(loaded.model, pairs)
    with pytest.raises(steer.CancelledError):
        steer.Vector.extract(loaded.model, pairs, resume_path=kept, progress=lambda share: share > 0.5)
    before = kept.stat().st_size
    again = steer.Vector.extract(loaded.model, pairs, resume_path=kept)
    assert 100 < before < kept.stat().st_size
    np.testing.assert_allclose(again[1], expected[1], rtol=1e-4, atol=1e-6)


def test_calibration_gives_a_vector_with_scales(demo, persona, calibrated):
    info = calibrated.info
    assert info.calibrated and not persona.info.calibrated and info.name == "calibrated"
    assert np.array_equal(calibrated[3], persona[3])
    assert info.strength_safe > 0 and info.best_begin is not None
    with demo.session() as session:
        session.steer(calibrated, 1.0, unit="gaps")
        with pytest.raises(steer.UnsupportedError, match="calibrat"):
            session.steer(persona, 1.0, unit="gaps")
    assert "calibrated" in repr(calibrated) and "<table>" in calibrated._repr_html_()


def test_pairs_are_taken_in_several_forms_and_refused_in_words(tmp_path):
    from steer.pairs import pack, to_pair

    said = {"system": "s", "prompt": "p", "positive": "a", "negative": "b", "group": "g"}
    pair = steer.ContrastPair(steer.Passage("a", "p", "s"), steer.Passage("b", "p", "s"), "g")
    assert to_pair(said, 0) == pair
    assert pack([pair, ("x", "y"), pair]) == [
        (("s", "p", "a"), ("s", "p", "b"), 1), ((None, None, "x"), (None, None, "y"), 2), (("s", "p", "a"), ("s", "p", "b"), 1)]  # fmt: skip
    (tmp_path / "pairs.jsonl").write_text('{"prompt": "p", "positive": "a", "negative": "b"}\n\n{"prompt": "p", "positive": "a"}\n')
    with pytest.raises(ValueError, match='line 3: "negative" is missing'):
        steer.read_pairs(tmp_path / "pairs.jsonl")
    with pytest.raises(TypeError, match=r"contrast\[0\]"):
        pack(["one text"])


def test_a_sweep_says_what_strength_does(demo, persona):
    rows = steer.sweep(demo, persona, ["こんにちは", "hello"], [0.0, 8.0], token_max=16, temperature=0.0, progress=False)
    assert [row.strength for row in rows] == [0.0, 8.0] and all(len(row.texts) == 2 for row in rows)
    assert rows[0].kl == pytest.approx(0.0, abs=1e-5) and rows[1].kl > 0.03
    assert rows[1].twin > rows[0].twin and rows[1].perplexity > rows[0].perplexity
