"""A model out of one GGUF file, run: logits against transformers with the weights that numpy makes of the file, and the C door."""

import numpy as np
import pytest
import torch

gguf = pytest.importorskip("gguf")

import checkpoints  # noqa: E402
import gguf_files  # noqa: E402
import steer_c as sc  # noqa: E402
from checkpoints import SHAPES, Shape  # noqa: E402
from gguf_files import Type  # noqa: E402
from parity import Row, run_hooked, worst  # noqa: E402

TOLERANCE = 2e-5  # as in test_parity.py
WIDE = [Shape("qwen2-wide", hidden=256, heads=4, kv_heads=2, ffn=512, layers=3, tied=True),
        Shape("qwen3-wide", "qwen3", hidden=256, heads=4, kv_heads=2, head_dim=64, ffn=256, layers=2, tied=False)]
# As llama.cpp mixes them: what matters most has more bits.
MIXED = {name: Type.Q6_K for name in ("token_embd.weight", "output.weight", "blk.0.attn_v.weight", "blk.1.ffn_down.weight")}
PLAIN_BESIDE = {"blk.0.attn_k.weight": Type.F16, "blk.1.ffn_up.weight": Type.F32, "output.weight": Type.BF16}
CASES = ([(shape, kind, {}) for shape in SHAPES for kind in (Type.F32, Type.F16)]
         + [(SHAPES[i], kind, {}) for i in (0, 3, 5, 8) for kind in (Type.BF16, Type.Q8_0, Type.Q4_0)]
         + [(shape, kind, mixed) for shape in WIDE for kind, mixed in (
             (Type.Q4_K, MIXED), (Type.Q6_K, {}), (Type.Q4_0, MIXED | PLAIN_BESIDE), (Type.Q8_0, {"token_embd.weight": Type.F16}))])


def case_name(case):
    shape, kind, mixed = case
    return f"{shape}-{kind.name}{'-mixed' if mixed else ''}"


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_logits_are_those_of_transformers(state_probe, random_checkpoint, tmp_path, case):
    shape, kind, mixed = case
    folder = random_checkpoint(shape).folder
    told = gguf_files.write(folder, tmp_path / "model.gguf", kind, mixed)
    model = gguf_files.reference(folder, told)
    row = Row(np.random.default_rng(1).integers(0, checkpoints.real_vocabulary(), 97).tolist())
    [ours] = state_probe.open(tmp_path / "model.gguf").begin(1, 128).run([row], states=True)
    theirs = run_hooked(model, row)
    assert worst(ours.logits, theirs.logits) < TOLERANCE
    assert worst(ours.before, theirs.before) < TOLERANCE
    assert theirs.logits.std() > 0.5  # else equality would say nothing
    if kind in (Type.Q4_0, Type.Q8_0, Type.F16) and shape.dtype == torch.float32:  # and it is the file that was read
        assert worst(run_hooked(random_checkpoint(shape).model, row).logits, theirs.logits) > 1e-4


def test_half_precision_stays_near(state_probe, random_checkpoint, tmp_path):
    folder = random_checkpoint(WIDE[0]).folder
    model = gguf_files.reference(folder, gguf_files.write(folder, tmp_path / "model.gguf", Type.Q4_K, MIXED))
    row = Row(np.random.default_rng(2).integers(0, checkpoints.real_vocabulary(), 30).tolist())
    [ours] = state_probe.open(tmp_path / "model.gguf", dtype=sc.DTYPE_BF16).begin(1, 64).run([row])
    theirs = run_hooked(model, row)
    assert 1e-5 < np.linalg.norm(ours.logits - theirs.logits) / np.linalg.norm(theirs.logits) < 0.06


def test_plain_weights_of_a_file_are_packed_as_a_folders_are(state_probe, random_checkpoint, tmp_path):
    folder = random_checkpoint(WIDE[0]).folder
    gguf_files.write(folder, tmp_path / "model.gguf", Type.F32)
    row = Row(np.random.default_rng(3).integers(0, checkpoints.real_vocabulary(), 30).tolist())
    said = [state_probe.open(path, weights=sc.WEIGHTS_INT8).begin(1, 64).run([row])[0].logits
            for path in (folder, tmp_path / "model.gguf")]
    assert np.array_equal(*said)


# ---- through the C door ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(torch_library, random_checkpoint, tmp_path_factory):
    """(folder, the same weights in a file, blocks of Q8_0 in another)."""
    folder, root = random_checkpoint(SHAPES[0]).folder, tmp_path_factory.mktemp("pair")
    gguf_files.write(folder, root / "model.gguf")
    gguf_files.write(folder, root / "q8.gguf", Type.Q8_0)
    return folder, root / "model.gguf", root / "q8.gguf"


def greedy(model, count=24):
    with model.session() as session:
        session.set_generation(temperature=0.0, repeat_penalty=1.0, stop_tokens=[], token_max=count, top_log_probs=5)
        session.set_tokens([5, 9, 2, 7, 11, 3, 8, 1, 6, 4])
        return [(step.token, step.log_prob) for step in session.generate() if not step.is_prompt]


def test_equal_weights_say_the_same_whatever_they_lie_in(pair):
    folder, path, _ = pair
    with sc.Model(folder, device="cpu") as ours, sc.Model(path, device="cpu") as again:
        assert greedy(ours) == greedy(again)
        assert bytes(ours.info.fingerprint) == bytes(again.info.fingerprint)  # float32 all of it, and one tokenizer
        for text in ("Hello, やあ <|im_end|>", "  def f():\n"):
            assert ours.encode(text) == again.encode(text)


def test_blocks_are_another_model_that_can_be_moved(pair):
    _, path, blocks = pair
    with sc.Model(path, residency=sc.RESIDENCY_NONE) as plain, sc.Model(blocks, device="cpu") as model:
        assert bytes(plain.info.fingerprint) != bytes(model.info.fingerprint)
        assert model.info.weight_bytes < plain.info.weight_bytes
        said = greedy(model)
        model.set_residency(sc.RESIDENCY_NONE)
        model.set_residency(sc.RESIDENCY_DEVICE)
        assert greedy(model) == said


@pytest.mark.parametrize("what, how", [
    ("already", dict(weights=sc.WEIGHTS_INT4)), ("has no steer_manifest.json", dict(flags=sc.MODEL_VERIFY))])
def test_what_a_file_of_blocks_cannot_be_asked(pair, what, how):
    with pytest.raises(sc.SteerError, match=what) as refused:
        sc.Model(pair[2], device="cpu", **how)
    assert refused.value.status == sc.ERR_UNSUPPORTED


def test_is_not_exported(pair, tmp_path):
    with sc.Model(pair[1], residency=sc.RESIDENCY_NONE) as model:
        with pytest.raises(sc.SteerError, match="a GGUF file is not exported") as refused:
            model.export(tmp_path / "out")
    assert refused.value.status == sc.ERR_UNSUPPORTED and not (tmp_path / "out").exists()


def test_another_file_is_no_model(torch_library, tmp_path):
    (tmp_path / "model.bin").write_bytes(b"GGML, which is older")
    with pytest.raises(sc.SteerError, match="does not begin with GGUF") as refused:
        sc.Model(tmp_path / "model.bin")
    assert refused.value.status == sc.ERR_FORMAT
