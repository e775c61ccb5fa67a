"""The references of the quantised tests among themselves: files read again bit by bit, closed forms, bounds of errors."""

import json
from statistics import NormalDist

import numpy as np
import pytest
import torch

from load_quantisers import INT4, INT8, NF4, RULES, int4_by_groups, int8_by_rows, nf4_by_blocks, quantised_on_load
from quantised import NF4_LEVELS, NF4_MIDDLES, dynamic_map, nf4_parts, read_tensors
from quantised_cases import CASES, ON_LOAD, Folders, case_name, on_load_name, stored_weights

NIBBLE_OF_COLUMN = (0, 4, 1, 5, 2, 6, 3, 7)  # in AWQ's words: where the columns 0 to 7 lie


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return Folders(tmp_path_factory.mktemp("quantised"))


@pytest.fixture(scope="module", params=CASES, ids=case_name)
def published(request, folders):
    return folders.published(request.param)


def bits_of(word, nibble):
    return (int(word) & 0xFFFFFFFF) >> 4 * nibble & 15


def gptq_element(parts, n, k, config):
    group = int(parts["g_idx"][k])
    zero = bits_of(parts["qzeros"][group][n // 8], n % 8) + (config.get("checkpoint_format", "gptq") == "gptq")
    return (bits_of(parts["qweight"][k // 8][n], k % 8) - zero) * float(parts["scales"][group][n])


def awq_element(parts, n, k, config):
    group, nibble = k // config["group_size"], NIBBLE_OF_COLUMN[n % 8]
    difference = bits_of(parts["qweight"][k][n // 8], nibble) - bits_of(parts["qzeros"][group][n // 8], nibble)
    return difference * float(parts["scales"][group][n])


def nf4_element(parts, n, k, _config):
    state = json.loads(bytes(parts["weight.quant_state.bitsandbytes__nf4"].tolist()))
    element = n * state["shape"][1] + k
    byte, block = int(parts["weight"][element // 2][0]), element // state["blocksize"]
    scale = parts["weight.absmax"][block]
    if "nested_blocksize" in state:
        outer = parts["weight.nested_absmax"][block // state["nested_blocksize"]]
        scale = parts["weight.nested_quant_map"][int(scale)] * outer + state["nested_offset"]
    return float(parts["weight.quant_map"][byte % 16 if element % 2 else byte // 16]) * float(scale)


ELEMENT = {"gptq": gptq_element, "awq": awq_element, "bitsandbytes": nf4_element}


def parts_of(tensors, name):
    """What belongs to one linear, by the name after its own."""
    module = name.removesuffix("weight")
    return {key.removeprefix(module): tensor for key, tensor in tensors.items() if key.startswith(module)}


def settings_of(folder):
    return json.loads((folder / "config.json").read_text())["quantization_config"]


def is_plain(parts):
    return "weight" in parts and parts["weight"].dtype != torch.uint8


def test_every_bit_means_what_the_writer_says(published):
    random, tensors = np.random.default_rng(1), read_tensors(published.folder)
    config = settings_of(published.folder)
    for name in published.linears():
        parts, meaning = parts_of(tensors, name), published.weights[name]
        if is_plain(parts):
            assert np.array_equal(parts["weight"].float().numpy(), meaning)
            continue
        for n, k in zip(random.integers(0, meaning.shape[0], 40), random.integers(0, meaning.shape[1], 40), strict=True):
            element = ELEMENT[config["quant_method"]](parts, int(n), int(k), config)
            assert meaning[n, k] == pytest.approx(element, rel=3e-7, abs=1e-9), (name, n, k)


def expected_layout(config, name, n, k, parts):
    """Shapes and types by the formats' own description."""
    if config["quant_method"] == "bitsandbytes":
        blocks, nested = n * k // 64, config["bnb_4bit_use_double_quant"]
        made = {"weight": ("uint8", (n * k // 2, 1)), "weight.quant_map": ("float32", (16,)),
                "weight.absmax": ("uint8" if nested else "float32", (blocks,)),
                "weight.quant_state.bitsandbytes__nf4": ("uint8", tuple(parts["weight.quant_state.bitsandbytes__nf4"].shape))}
        if nested:
            made["weight.nested_absmax"] = ("float32", (-(-blocks // 256),))
            made["weight.nested_quant_map"] = ("float32", (256,))
        return made
    groups = 1 if config["group_size"] == -1 else k // config["group_size"]
    made = {"qzeros": ("int32", (groups, n // 8)), "scales": ("float16", (groups, n))}
    if config["quant_method"] == "awq":
        return made | {"qweight": ("int32", (k, n // 8))}
    return made | {"qweight": ("int32", (k // 8, n)), "g_idx": ("int32", (k,))}


def test_names_types_and_shapes_are_the_published_ones(published):
    tensors, config = read_tensors(published.folder), settings_of(published.folder)
    for name in published.linears():
        parts = parts_of(tensors, name)
        bias = parts.pop("bias", None)
        if is_plain(parts):
            continue
        n, k = published.weights[name].shape
        assert bias is None or tuple(bias.shape) == (n,)
        layout = {part: (str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape)) for part, tensor in parts.items()}
        assert layout == expected_layout(config, name, n, k, parts)
    assert ("lm_head.weight" in tensors) == (not published.shape.tied)
    assert all(tensors[name].ndim == 2 for name in tensors if name in ("lm_head.weight", "model.embed_tokens.weight"))


@pytest.mark.parametrize("case", [case for case in CASES if case[0].settings.get("desc_act")], ids=case_name)
def test_act_order_scatters_the_columns_of_a_group(folders, case):
    published = folders.published(case)
    for name, tensor in read_tensors(published.folder).items():
        if name.endswith("g_idx"):
            groups = tensor.numpy()
            assert set(np.bincount(groups)) == {settings_of(published.folder)["group_size"]}
            assert len(set(groups)) == 1 or (np.diff(groups) < 0).any()


def group_steps(parts, config, shape):
    """Of an integer format: the distance of two codes at every element."""
    groups = parts["g_idx"].numpy() if "g_idx" in parts else np.arange(shape[1]) // config["group_size"]
    return parts["scales"].float().numpy()[groups].T


def test_published_weights_are_near_the_plain_ones(published):
    """Half a step, and what half-precision scales add at the far end of 15; of NF4 half its widest gap and the scale's own
    error, which for 8 bits in seven decades is far below an eighth."""
    tensors, config, plain = read_tensors(published.folder), settings_of(published.folder), stored_weights(published.source)
    for name in published.linears():
        parts, meaning = parts_of(tensors, name), published.weights[name]
        if is_plain(parts):
            continue
        error = np.abs(meaning - plain[name])
        if "scales" in parts:
            assert (error <= 0.51 * group_steps(parts, config, meaning.shape) + 2.0 ** -11 * np.abs(plain[name])).all()
        else:
            absmax = np.abs(plain[name].reshape(-1, 64)).max(axis=1)
            limit = (np.diff(NF4_LEVELS).max() / 2 + 2.0 ** -7) * absmax + absmax.max() / 8 * ("weight.nested_absmax" in parts)
            assert (error.reshape(-1, 64) <= limit[:, None]).all()
        assert error.max() > 0


# ---- closed forms ---------------------------------------------------------------------------------------------------


def test_nf4_levels_are_quantiles_of_the_normal_distribution():
    """Eight positive and seven negative quantiles, evenly spaced in probability up to one tail, the largest made 1."""
    tail, quantile = 0.9677083, NormalDist().inv_cdf
    positive = [quantile(tail + (0.5 - tail) * i / 8) for i in range(8)]
    negative = [-quantile(tail + (0.5 - tail) * i / 7) for i in range(7)]
    levels = np.array(sorted([*positive, 0.0, *negative])) / max(positive)
    assert np.abs(levels - NF4_LEVELS).max() < 1e-6
    assert NF4_LEVELS[0] == -1 and NF4_LEVELS[7] == 0 and NF4_LEVELS[15] == 1


def test_the_map_of_nested_scales():
    levels = dynamic_map()
    assert len(levels) == 256 and (np.diff(levels) > 0).all() and levels[255] == 1 and 0.0 in levels
    assert np.array_equal(levels[:127], -levels[128:255][::-1])


def test_int8_rounds_to_even_and_keeps_the_largest():
    rows = np.array([[127, 0.5, 1.5, -2.5, -126.5], [-127, 126.5, -0.5, 3.5, 0], [0, 0, 0, 0, 0]], np.float32)
    wanted = [[127, 0, 2, -2, -126], [-127, 126, 0, 4, 0], [0, 0, 0, 0, 0]]
    assert np.array_equal(int8_by_rows(rows), np.array(wanted, np.float32))


def test_int4_has_a_zero_and_rounds_to_even():
    row = np.zeros((5, 32), np.float32)
    row[0, :5] = [15, 0.5, 1.5, 2.5, 13.5]  # scale 1, zero 0
    row[1, :5] = [-15, -0.5, -1.5, -2.5, 0]  # scale 1, zero 15
    row[2, :4] = [7.5, -7.5, 6.5, -6.5]  # scale 1, zero 8: 7.5 is the even 8, but above it there are only 7
    row[3, :3] = [3, 4, 5]  # the range goes down to 0, so 0 stays 0: scale 1/3 in half precision
    wanted = np.zeros_like(row)
    third = float(np.float16(1 / 3))
    wanted[0, :5] = [15, 0, 2, 2, 14]
    wanted[1, :5] = [-15, 0, -2, -2, 0]
    wanted[2, :4] = [7, -8, 6, -6]
    wanted[3, :3] = [9 * third, 12 * third, 15 * third]
    assert np.array_equal(int4_by_groups(row), wanted)


def test_nf4_takes_the_lower_level_on_a_midpoint():
    row = np.ones((2, 64), np.float32)
    row[0, :15] = NF4_MIDDLES
    row[1, :15] = np.nextafter(NF4_MIDDLES, np.float32(2))
    row[:, 15:] = -1
    assert np.array_equal(nf4_by_blocks(row)[:, :15], np.stack([NF4_LEVELS[:-1], NF4_LEVELS[1:]]))


def half_steps(weight, kind):
    """The largest error that a rule can make at each element."""
    if kind == INT8:
        return np.abs(weight).max(axis=1, keepdims=True) / 254 * np.ones_like(weight)
    size = {INT4: next(size for size in (128, 64, 32) if weight.shape[1] % size == 0), NF4: 64}[kind]
    groups = weight.reshape(weight.shape[0], -1, size)
    if kind == NF4:
        half = np.abs(groups).max(axis=2, keepdims=True) * np.diff(NF4_LEVELS).max() / 2
    else:
        half = 0.51 * (np.maximum(groups.max(axis=2, keepdims=True), 0) - np.minimum(groups.min(axis=2, keepdims=True), 0)) / 15
    return (half * np.ones_like(groups)).reshape(weight.shape)


@pytest.mark.parametrize("shape, kind", ON_LOAD, ids=on_load_name)
def test_quantising_on_load_errs_by_half_a_step(folders, shape, kind):
    plain = stored_weights(folders.plain(shape))
    made = quantised_on_load(plain, kind)
    for name, weight in plain.items():
        if not name.endswith("_proj.weight"):
            continue
        error = np.abs(made[name] - weight)
        assert (error <= half_steps(weight, kind) * (1 + 1e-5)).all() and error.max() > 0
        assert not made[name][weight == 0].any()
    assert np.array_equal(made["model.embed_tokens.weight"], plain["model.embed_tokens.weight"])
    head = plain.get("lm_head.weight", plain["model.embed_tokens.weight"])
    assert np.array_equal(made["lm_head.weight"], RULES[INT8](head)) and not np.array_equal(made["lm_head.weight"], head)


@pytest.mark.parametrize("nested", [False, True], ids=["single", "nested"])
def test_bitsandbytes_reads_and_writes_the_same(nested):
    functional = pytest.importorskip("bitsandbytes.functional")
    weight = torch.randn(96, 320, generator=torch.Generator().manual_seed(3)).to(torch.bfloat16)
    packed, state = functional.quantize_4bit(weight, blocksize=64, compress_statistics=nested, quant_type="nf4")
    theirs = {"w." + name: tensor.numpy() for name, tensor in state.as_dict(packed=True).items()} | {"w": packed.numpy()}
    levels = theirs["w.nested_quant_map"] if nested else None
    if nested:
        assert np.allclose(levels, dynamic_map(), rtol=1e-6, atol=0)  # they compute it in float32
    ours, meaning = nf4_parts("w", weight.float().numpy(), "bfloat16", levels)
    states = [json.loads(bytes(of.pop("w.quant_state.bitsandbytes__nf4"))) for of in (theirs, ours)]
    offsets = [told.pop("nested_offset", 0.0) for told in states]
    assert states[0] == states[1] and offsets[0] == pytest.approx(offsets[1], rel=1e-6)
    assert set(theirs) == set(ours)
    for name, array in theirs.items():
        assert array.dtype == ours[name].dtype and array.shape == ours[name].shape
        assert np.allclose(array, ours[name], rtol=1e-6, atol=0), name
    state.dtype = torch.float32
    assert np.allclose(functional.dequantize_4bit(packed, state).numpy(), meaning, rtol=1e-6, atol=0)
