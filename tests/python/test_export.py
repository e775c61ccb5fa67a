"""Exported models: the same numbers as the folder, bit for bit; a changed byte anywhere is refused; a decoder scripted in
Python after docs/exported_models.md agrees with transformers."""

import os
import random
import re
import shutil
from pathlib import Path

import pytest
import torch

import steer_c as sc
from checkpoints import BOTH_FAMILIES, real_vocabulary

PROMPT = [5, 9, 2, 7, 11, 3, 8, 1, 6, 4]


def log_probs(model, count=24):
    """What greedy steps say, pushed, as the library's own numbers."""
    with model.session() as session:
        session.set_generation(temperature=0.0, repeat_penalty=1.0, stop_tokens=[], token_max=count, top_log_probs=5)
        session.set_tokens(PROMPT)
        steps = [step for step in session.generate() if not step.is_prompt]
    return [(step.token, step.log_prob, step.top) for step in steps]


@pytest.fixture(params=BOTH_FAMILIES, ids=str)
def exported(request, torch_library, random_checkpoint, tmp_path):
    checkpoint = random_checkpoint(request.param)
    with sc.Model(checkpoint.folder, residency=sc.RESIDENCY_NONE) as model:
        model.export(tmp_path / "out")
    return checkpoint, tmp_path / "out"


def test_is_the_folder_bit_for_bit(exported):
    checkpoint, out = exported
    with sc.Model(checkpoint.folder) as model, sc.Model(out, flags=sc.MODEL_ALLOW_CODE) as again:
        assert bytes(model.info.fingerprint) == bytes(again.info.fingerprint)
        assert log_probs(model) == log_probs(again)


def test_takes_the_callers_word(exported):
    _, out = exported
    with pytest.raises(sc.SteerError, match="STEER_MODEL_ALLOW_CODE") as refused:
        sc.Model(out)
    assert refused.value.status == sc.ERR_ARG
    with sc.Model(out, flags=sc.MODEL_ALLOW_CODE | sc.MODEL_VERIFY, residency=sc.RESIDENCY_NONE) as model:
        assert model.info.layer_count > 0


def change_byte(path, at, how=0x20):
    data = bytearray(path.read_bytes())
    data[at] ^= how
    path.unlink()  # the weights are a second name of the original
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("seed", range(8))
def test_a_changed_byte_is_refused_in_every_file(exported, seed):
    """Before any code is read: a decoder that is damaged too would be refused in other words."""
    _, out = exported
    for path in sorted(out.iterdir()):
        kept = path.read_bytes()
        draw = random.Random(f"{path.name} {seed}")
        change_byte(path, draw.randrange(len(kept)), 1 << draw.randrange(8))
        with pytest.raises(sc.SteerError) as refused:
            sc.Model(out, flags=sc.MODEL_ALLOW_CODE)
        assert refused.value.status in (sc.ERR_FORMAT, sc.ERR_UNSUPPORTED, sc.ERR_MISMATCH, sc.ERR_ARG), refused.value
        words = str(refused.value)
        assert path.name in words or refused.value.status == sc.ERR_MISMATCH and "fingerprint" in words
        assert "libtorch" not in words
        path.write_bytes(kept)
    with sc.Model(out, flags=sc.MODEL_ALLOW_CODE):
        pass


def test_files_that_came_or_went_are_refused(exported):
    _, out = exported
    (out / "chat_template.jinja").write_text("{{ messages }}") if not (out / "chat_template.jinja").exists() else \
        (out / "chat_template.jinja").unlink()
    with pytest.raises(sc.SteerError, match="chat_template.jinja"):
        sc.Model(out, flags=sc.MODEL_ALLOW_CODE)


def test_weights_are_shared_or_copied_not_moved(exported):
    checkpoint, out = exported
    for name in sorted(path.name for path in out.glob("*.safetensors")):
        assert (out / name).read_bytes() == (Path(checkpoint.folder) / name).read_bytes()


def test_an_export_needs_an_empty_folder(torch_library, random_checkpoint, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with sc.Model(random_checkpoint(BOTH_FAMILIES[0]).folder, residency=sc.RESIDENCY_NONE) as model:
        with pytest.raises(sc.SteerError, match="not empty"):
            model.export(tmp_path)
    assert os.listdir(tmp_path) == ["mine.txt"]


def test_verifying_needs_a_manifest(torch_library, random_checkpoint):
    with pytest.raises(sc.SteerError, match="steer_manifest.json") as refused:
        sc.Model(random_checkpoint(BOTH_FAMILIES[0]).folder, flags=sc.MODEL_VERIFY, residency=sc.RESIDENCY_NONE)
    assert refused.value.status == sc.ERR_UNSUPPORTED


def scripted_block(config, folder):
    """The docs' own text, run."""
    text = (sc.REPOSITORY / "docs" / "exported_models.md").read_text()
    source = re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)
    source = source[:source.rindex("torch.jit.script(")]
    path = folder / "own_decoder.py"  # TorchScript reads the source from a file
    path.write_text(source)
    import importlib.util

    spec = importlib.util.spec_from_file_location("own_decoder", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return module.Block(config.num_attention_heads, config.num_key_value_heads, head_dim, config.rms_norm_eps)


@pytest.fixture(params=BOTH_FAMILIES, ids=str)
def own_decoder(request, torch_library, random_checkpoint, tmp_path):
    checkpoint = random_checkpoint(request.param)
    folder = tmp_path / "own"
    shutil.copytree(checkpoint.folder, folder)
    block = scripted_block(checkpoint.model.config, tmp_path)
    torch.jit.script(block).save(str(folder / "decoder.pt"))
    return checkpoint, folder, block


def test_a_decoder_from_python_agrees_with_transformers(own_decoder):
    checkpoint, folder, _ = own_decoder
    words = []
    kept = sc.set_log(lambda level, text: words.append(text))  # noqa: F841
    with sc.Model(folder, flags=sc.MODEL_ALLOW_CODE, dtype=sc.DTYPE_F32) as model:
        steps = log_probs(model)
    sc.set_log(None)
    assert any("decoder.pt" in text for text in words)
    ids = torch.tensor([PROMPT + [token for token, _, _ in steps]])
    with torch.no_grad():
        logits = checkpoint.model(ids).logits[0, len(PROMPT) - 1:-1, :real_vocabulary()]  # padding has no share
    expected = torch.log_softmax(logits.double(), -1)
    for i, (token, log_prob, _) in enumerate(steps):
        assert token == int(expected[i].argmax())
        assert log_prob == pytest.approx(float(expected[i, token]), abs=1e-4)


@pytest.mark.parametrize("break_it, words", [
    (lambda block: setattr(block, "head_count", block.head_count * 2), "head_count must be"),
    (lambda block: delattr(block, "down"), "no attribute down"),
    (lambda block: setattr(block, "qkv_bias", torch.empty(0)), None),
], ids=["other heads", "no weight", "optional with a value"])
def test_other_interfaces_are_named(own_decoder, break_it, words):
    _, folder, block = own_decoder
    break_it(block)
    if words == "no attribute down":
        class Bare(torch.nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return x
        block, words = Bare(), "no method norm|must take"
    torch.jit.script(block).save(str(folder / "decoder.pt"))
    if words is None:
        with sc.Model(folder, flags=sc.MODEL_ALLOW_CODE):
            return
    with pytest.raises(sc.SteerError, match=words) as refused:
        sc.Model(folder, flags=sc.MODEL_ALLOW_CODE)
    assert refused.value.status == sc.ERR_MISMATCH


def test_what_is_no_archive_is_a_format_error(own_decoder):
    _, folder, _ = own_decoder
    whole = (folder / "decoder.pt").read_bytes()
    for bad in (b"", b"PK", whole[: len(whole) // 2], b"\0" * 4096):
        (folder / "decoder.pt").write_bytes(bad)
        with pytest.raises(sc.SteerError, match="decoder.pt") as refused:
            sc.Model(folder, flags=sc.MODEL_ALLOW_CODE)
        assert refused.value.status == sc.ERR_FORMAT
