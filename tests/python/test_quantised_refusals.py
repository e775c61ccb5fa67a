"""Quantised checkpoints that are not read: the words name the file and the field, and a file's lies end in words too.

Opening is the same on every device until weights go there, so this is tested on the CPU.
"""

import json
import re

import numpy as np
import pytest
import torch

from checkpoints import Shape
from load_quantisers import INT4, INT8, NF4
from parity import Row, StateProbe
from quantised import edit_config, edit_tensors, write_awq, write_gptq, write_nf4
from quantised_cases import Folders, Format

SHAPE = Shape("refused", hidden=128, ffn=256)
GPTQ = Format("gptq", write_gptq, 64, {"group_size": 64})
ACT_ORDER = Format("act-order", write_gptq, 64, {"group_size": 64, "desc_act": True})
AWQ = Format("awq", write_awq, 64, {"group_size": 64})
NF4_FILES = Format("nf4", write_nf4, 64)
NF4_SINGLE = Format("nf4-single", write_nf4, 64, {"double_quant": False})
DOWN, UP = "model.layers.1.mlp.down_proj.", "model.layers.0.mlp.up_proj."
STATE = "weight.quant_state.bitsandbytes__nf4"
WAY_OUT = re.compile(r"\b(use|take|choose|load|open|convert|leave|give|set|download|must be|needs?|allowed)\b|; .*\b(are|is)\b")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return Folders(tmp_path_factory.mktemp("refused"))


@pytest.fixture(scope="module")
def state_probe(probe, tmp_path_factory):
    made = StateProbe(probe("state_probe"), tmp_path_factory.mktemp("probe"))
    yield made
    made.close()


def refusal(state_probe, folder, **how):
    with pytest.raises(RuntimeError) as refused:
        state_probe.open(folder, **how)
    words = str(refused.value)
    assert folder.name in words, words
    return words


def said(words, *fields):
    """Beside the folder's own name, which begins every path."""
    for part in fields:
        assert re.search(part, words), f"{part} is not in: {words}"


# ---- what config.json says ------------------------------------------------------------------------------------------

SETTINGS = [
    ("gptq-8-bits", GPTQ, {"bits": 8}, ['"bits"', r"\b8\b"]),
    ("gptq-3-bits", GPTQ, {"bits": 3}, ['"bits"', r"\b3\b"]),
    ("awq-8-bits", AWQ, {"bits": 8}, ['"bits"', r"\b8\b"]),
    ("gptq-group-that-does-not-divide", GPTQ, {"group_size": 48}, ['"group_size"', r"\b48\b"]),
    ("awq-group-that-does-not-divide", AWQ, {"group_size": 96}, ['"group_size"', r"\b96\b"]),
    ("gptq-group-of-0", GPTQ, {"group_size": 0}, ['"group_size"']),
    ("gptq-group-of--64", GPTQ, {"group_size": -64}, ['"group_size"']),
    ("gptq-group-in-words", GPTQ, {"group_size": "64"}, ['"group_size"']),
    ("gptq-marlin", GPTQ, {"checkpoint_format": "marlin"}, ['"checkpoint_format"', r"\bmarlin\b"]),
    ("awq-gemv", AWQ, {"version": "gemv"}, ['"version"', r"\bgemv\b"]),
    ("hqq", GPTQ, {"quant_method": "hqq"}, ['"quant_method"', r"\bhqq\b"]),
    ("fp8", GPTQ, {"quant_method": "fp8"}, ['"quant_method"', r"\bfp8\b"]),
    ("compressed-tensors", GPTQ, {"quant_method": "compressed-tensors"}, ['"quant_method"', r"\bcompressed-tensors\b"]),
    ("no-method", GPTQ, {"quant_method": None}, ['"quant_method"']),
    ("bnb-fp4", NF4_FILES, {"bnb_4bit_quant_type": "fp4"}, ['"bnb_4bit_quant_type"', r"\bfp4\b"]),
    ("bnb-8-bits", NF4_FILES, {"load_in_4bit": False, "_load_in_4bit": False, "load_in_8bit": True, "_load_in_8bit": True},
     ['"load_in_(8|4)bit"']),
]


@pytest.mark.parametrize("name, form, settings, fields", SETTINGS, ids=[case[0] for case in SETTINGS])
def test_settings_that_are_not_read(state_probe, folders, name, form, settings, fields):
    folder = folders.copy(folders.published((form, SHAPE)), name)
    edit_config(folder, lambda config: config["quantization_config"].update(settings))
    words = refusal(state_probe, folder)
    said(words, r"config\.json", *fields)
    assert WAY_OUT.search(words), words


@pytest.mark.parametrize("settings", ["gptq", [4], 4, {}], ids=str)
def test_settings_of_a_wrong_kind(state_probe, folders, settings):
    folder = folders.copy(folders.published((GPTQ, SHAPE)), f"kind-{type(settings).__name__}")
    edit_config(folder, lambda config: config.update(quantization_config=settings))
    said(refusal(state_probe, folder), r"config\.json", '"quantization_config"|"quant_method"')


@pytest.mark.parametrize("kind", [INT8, INT4, NF4], ids=["int8", "int4", "nf4"])
@pytest.mark.parametrize("form", [GPTQ, AWQ, NF4_FILES], ids=lambda form: form.name)
def test_quantising_what_is_quantised(state_probe, folders, form, kind):
    folder = folders.copy(folders.published((form, SHAPE)), f"twice-{form.name}-{kind}")
    words = refusal(state_probe, folder, weights=kind)
    said(words, r"config\.json", '"quantization_config"|"quant_method"|already quantised')
    assert WAY_OUT.search(words), words


@pytest.mark.parametrize("hidden, kind", [(80, INT4), (80, NF4), (96, NF4)], ids=["int4-80", "nf4-80", "nf4-96"])
def test_inputs_that_no_group_divides(state_probe, folders, hidden, kind):
    folder = folders.plain(Shape(f"plain-{hidden}", hidden=hidden, ffn=256))
    words = refusal(state_probe, folder, weights=kind)
    said(words, r"q_proj\.weight", rf"\b{hidden}\b", {INT4: r"\b32\b", NF4: r"\b64\b"}[kind])
    assert WAY_OUT.search(words), words
    state_probe.open(folder, weights=INT8)


# ---- what the tensors are -------------------------------------------------------------------------------------------


def gone(part):
    return lambda tensors: tensors.pop(part)


def changed(part, change):
    return lambda tensors: tensors.update({part: change(tensors[part]).contiguous()})


def with_entry(value):
    def change(tensor):
        made = tensor.clone()
        made[5] = value
        return made

    return change


def with_state(**fields):
    def change(tensor):
        state = json.loads(bytes(tensor.tolist()))
        state.update(fields)
        return torch.from_numpy(np.frombuffer(json.dumps(state).encode(), np.uint8).copy())

    return change


DAMAGES = [
    ("no-scales", GPTQ, DOWN + "scales", gone),
    ("no-qzeros", GPTQ, DOWN + "qzeros", gone),
    ("no-qweight", GPTQ, DOWN + "qweight", gone),
    ("no-order", ACT_ORDER, DOWN + "g_idx", gone),
    ("awq-no-scales", AWQ, UP + "scales", gone),
    ("awq-no-zeros", AWQ, UP + "qzeros", gone),
    ("nf4-no-scales", NF4_FILES, UP + "weight.absmax", gone),
    ("nf4-no-levels", NF4_FILES, UP + "weight.quant_map", gone),
    ("nf4-no-outer-scales", NF4_FILES, UP + "weight.nested_absmax", gone),
    ("nf4-no-nested-levels", NF4_FILES, UP + "weight.nested_quant_map", gone),
    ("qweight-short", GPTQ, DOWN + "qweight", lambda tensor: tensor[1:]),
    ("qweight-turned", GPTQ, DOWN + "qweight", lambda tensor: tensor.T),
    ("qweight-wide", GPTQ, DOWN + "qweight", lambda tensor: tensor.to(torch.int64)),
    ("qweight-flat", GPTQ, DOWN + "qweight", lambda tensor: tensor.reshape(-1)),
    ("scales-short", GPTQ, DOWN + "scales", lambda tensor: tensor[:-1]),
    ("scales-whole-numbers", GPTQ, DOWN + "scales", lambda tensor: tensor.to(torch.int32)),
    ("qzeros-short", GPTQ, DOWN + "qzeros", lambda tensor: tensor[:, :-1]),
    ("order-short", ACT_ORDER, DOWN + "g_idx", lambda tensor: tensor[:-1]),
    ("order-beyond", ACT_ORDER, DOWN + "g_idx", with_entry(4)),
    ("order-far-beyond", ACT_ORDER, DOWN + "g_idx", with_entry(2 ** 31 - 1)),
    ("order-below", ACT_ORDER, DOWN + "g_idx", with_entry(-1)),
    ("awq-qweight-short", AWQ, UP + "qweight", lambda tensor: tensor[1:]),
    ("awq-qzeros-short", AWQ, UP + "qzeros", lambda tensor: tensor[:-1]),
    ("nf4-codes-short", NF4_FILES, UP + "weight", lambda tensor: tensor[1:]),
    ("nf4-scales-short", NF4_FILES, UP + "weight.absmax", lambda tensor: tensor[1:]),
    ("nf4-single-scales-short", NF4_SINGLE, UP + "weight.absmax", lambda tensor: tensor[1:]),
    ("nf4-outer-scales-short", NF4_FILES, UP + "weight.nested_absmax", lambda tensor: tensor[1:]),
    ("nf4-levels-short", NF4_FILES, UP + "weight.quant_map", lambda tensor: tensor[1:]),
    ("nf4-nested-levels-short", NF4_FILES, UP + "weight.nested_quant_map", lambda tensor: tensor[1:]),
    ("nf4-state-cut", NF4_FILES, UP + STATE, lambda tensor: tensor[:-3]),
    ("nf4-state-empty", NF4_FILES, UP + STATE, lambda tensor: tensor[:0]),
    ("nf4-state-of-another-shape", NF4_FILES, UP + STATE, with_state(shape=[128, 256])),
    ("nf4-state-of-a-huge-shape", NF4_FILES, UP + STATE, with_state(shape=[2 ** 62, 4])),
    ("nf4-state-fp4", NF4_FILES, UP + STATE, with_state(quant_type="fp4")),
    ("nf4-state-block-of-0", NF4_FILES, UP + STATE, with_state(blocksize=0)),
    ("nf4-state-blocks-too-few", NF4_FILES, UP + STATE, with_state(blocksize=32)),
    ("nf4-state-outer-block-of-0", NF4_FILES, UP + STATE, with_state(nested_blocksize=0)),
    ("nf4-state-offset-in-words", NF4_FILES, UP + STATE, with_state(nested_offset="0.1")),
]


@pytest.mark.parametrize("name, form, part, damage", DAMAGES, ids=[case[0] for case in DAMAGES])
def test_tensors_that_do_not_fit(state_probe, folders, name, form, part, damage):
    folder = folders.copy(folders.published((form, SHAPE)), name)
    edit_tensors(folder, gone(part) if damage is gone else changed(part, damage))
    told_by_others = damage is gone or part.endswith(STATE)  # the one beside it may be the one that does not fit
    named = part.split("proj.")[0] + "proj." if told_by_others else part
    said(refusal(state_probe, folder), re.escape(named), "safetensors")


def test_a_good_one_opens_after_refusals(state_probe, folders):
    good = folders.published((GPTQ, SHAPE))
    bad = folders.copy(good, "after-refusals")
    edit_config(bad, lambda config: config["quantization_config"].update(bits=2))
    refusal(state_probe, bad)
    [outcome] = state_probe.open(good.folder).begin(1, 16).run([Row([1, 2, 3])])
    assert np.isfinite(outcome.logits).all()
