"""Quantised checkpoints as they are published: GPTQ, AWQ (gemm) and bitsandbytes NF4, made from plain ones with numpy.

A writer takes the folder of a plain checkpoint and returns what the new one's tensors mean: name -> float32 array. How
well the numbers were chosen does not matter here; that the bytes mean these numbers and no others does, and
test_quantised_files.py reads them again by another way.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)  # nibble i of a word holds this one of its eight columns
NF4_LEVELS = np.array([
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0], np.float32)
NF4_MIDDLES = (NF4_LEVELS[1:] + NF4_LEVELS[:-1]) / np.float32(2)
DTYPE_NAMES = {torch.float32: "float32", torch.float16: "float16", torch.bfloat16: "bfloat16"}


# ---- folders --------------------------------------------------------------------------------------------------------


def read_tensors(folder):
    tensors = {}
    for path in sorted(Path(folder).glob("*.safetensors")):
        tensors.update(load_file(path))
    return tensors


def save_tensors(tensors, folder, shards=1):
    """One file, or several with an index; name after name goes to the next, so a linear's parts lie in different ones."""
    for old in Path(folder).glob("model*.safetensors*"):
        old.unlink()
    names = sorted(tensors)
    if shards == 1:
        save_file({name: tensors[name].contiguous() for name in names}, folder / "model.safetensors", {"format": "pt"})
        return
    files = [f"model-{i + 1:05}-of-{shards:05}.safetensors" for i in range(shards)]
    for i, file in enumerate(files):
        save_file({name: tensors[name].contiguous() for name in names[i::shards]}, folder / file, {"format": "pt"})
    index = {"metadata": {"total_size": sum(tensor.nbytes for tensor in tensors.values())},
             "weight_map": {name: files[i % shards] for i, name in enumerate(names)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def edit_config(folder, change):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config, indent=2))


def edit_tensors(folder, change):
    tensors = read_tensors(folder)
    change(tensors)
    save_tensors(tensors, folder)


def is_linear(name):
    return name.endswith(".weight") and name.split(".")[-2] in LINEARS


def widened(tensor):
    return tensor.to(torch.float32).numpy()


def convert(source, folder, settings, quantise, dtype, shards=1):
    """Linears of the layers through quantise(name, weight) -> (tensors, meaning) or None; everything else in dtype."""
    shutil.copytree(source, folder, dirs_exist_ok=True)
    stored, meaning = {}, {}
    for name, tensor in read_tensors(source).items():
        made = quantise(name, widened(tensor.to(dtype))) if is_linear(name) else None
        if made is None:
            stored[name] = tensor.to(dtype)
            meaning[name] = widened(stored[name])
        else:
            stored.update({part: torch.from_numpy(np.array(array, order="C")) for part, array in made[0].items()})
            meaning[name] = made[1]
    save_tensors(stored, folder, shards)

    def change(config):
        config["quantization_config"] = settings
        config["torch_dtype" if "torch_dtype" in config else "dtype"] = DTYPE_NAMES[dtype]

    edit_config(folder, change)
    return meaning


# ---- integers in groups: GPTQ and AWQ -------------------------------------------------------------------------------


def affine_groups(weight, group_of, symmetric, lowest_zero=0):
    """Codes [N, K], zeros [N, G] and half-precision scales [N, G]; column k belongs to group group_of[k]."""
    columns = [np.flatnonzero(group_of == group) for group in range(group_of.max() + 1)]
    low = np.stack([np.minimum(weight[:, at].min(axis=1), 0) for at in columns], 1)
    high = np.stack([np.maximum(weight[:, at].max(axis=1), 0) for at in columns], 1)
    if lowest_zero:  # a range that asks for it
        low = np.minimum(low, -high / np.float32(14))
    if symmetric:
        high = np.maximum(-low, high)
        low = -high
    scales = ((high - low) / np.float32(15)).astype(np.float16)
    wide = scales.astype(np.float32)
    safe = np.where(wide == 0, np.float32(1), wide)
    zeros = np.full(wide.shape, 8) if symmetric else np.clip(np.rint(-low / safe), lowest_zero, 15).astype(np.int64)
    codes = np.clip(np.rint(weight / safe[:, group_of]) + zeros[:, group_of], 0, 15).astype(np.int64)
    meaning = (codes - zeros[:, group_of]).astype(np.float32) * wide[:, group_of]
    return codes, zeros, scales, meaning


def packed(codes, order=range(8)):
    """Eight 4-bit codes of the last axis in a word: nibble i, from the lowest, holds number order[i]."""
    eights = codes.reshape(*codes.shape[:-1], -1, 8).astype(np.uint32)
    words = np.zeros(eights.shape[:-1], np.uint32)
    for nibble, column in enumerate(order):
        words |= eights[..., column] << np.uint32(4 * nibble)
    return words.view(np.int32)


def write_gptq(source, folder, group_size=128, desc_act=False, sym=True, checkpoint_format="gptq", extra_biases=False,
               shards=1):
    """checkpoint_format None leaves the field out, as older files do: they are of the first format. A group_size of -1 is
    one group over all inputs.

    The first format stores a zero point less one. A zero point of 0 has no agreed form there (15, read as 0 by some and
    as 16 by others), so asymmetric groups get at least 1.
    """
    stored_less = 0 if checkpoint_format == "gptq_v2" else 1
    random = np.random.default_rng(1)
    settings = {"batch_size": 1, "bits": 4, "damp_percent": 0.01, "desc_act": desc_act, "group_size": group_size,
                "quant_method": "gptq", "sym": sym, "true_sequential": True}
    if checkpoint_format is not None:
        settings["checkpoint_format"] = checkpoint_format

    def quantise(name, weight):
        module = name.removesuffix("weight")
        groups = np.arange(weight.shape[1]) // (weight.shape[1] if group_size == -1 else group_size)
        if desc_act:
            groups = random.permutation(groups)
        codes, zeros, scales, meaning = affine_groups(weight, groups, sym, lowest_zero=stored_less)
        parts = {"qweight": packed(codes).T, "qzeros": packed((zeros - stored_less).T), "scales": scales.T,
                 "g_idx": groups.astype(np.int32)}
        if extra_biases and module.split(".")[-2] not in ("q_proj", "k_proj", "v_proj"):
            parts["bias"] = np.zeros(weight.shape[0], np.float16)  # some tools give every linear one
        return {module + part: array for part, array in parts.items()}, meaning

    return convert(source, folder, settings, quantise, torch.float16, shards)


def write_awq(source, folder, group_size=128, shards=1):
    settings = {"bits": 4, "group_size": group_size, "modules_to_not_convert": None, "quant_method": "awq",
                "version": "gemm", "zero_point": True}

    def quantise(name, weight):
        module = name.removesuffix("weight")
        groups = np.arange(weight.shape[1]) // group_size
        codes, zeros, scales, meaning = affine_groups(weight, groups, symmetric=False)
        parts = {"qweight": packed(codes.T, AWQ_ORDER), "qzeros": packed(zeros.T, AWQ_ORDER), "scales": scales.T}
        return {module + part: array for part, array in parts.items()}, meaning

    return convert(source, folder, settings, quantise, torch.float16, shards)


# ---- bitsandbytes ---------------------------------------------------------------------------------------------------


def nearest(sorted_levels, values):
    """The index of the nearest level; half-way between two, the lower one."""
    return np.searchsorted((sorted_levels[1:] + sorted_levels[:-1]) / np.float32(2), values, side="left")


def dynamic_map():
    """256 levels from -0.99 to 1: seven decades, the i-th from below cut into 2^i equal parts whose middles are levels."""
    positive = []
    for decade in range(7):
        edges = np.linspace(0.1, 1, 2 ** decade + 1)
        positive += list(10.0 ** (decade - 6) * (edges[1:] + edges[:-1]) / 2)
    return np.array(sorted([-level for level in positive] + [0.0] + positive + [1.0]), np.float32)


def nest(absmax, levels):
    """The scales of the blocks, themselves in 8 bits: mean taken off, blocks of 256, one float32 scale for each."""
    offset = absmax.mean(dtype=np.float32)
    centred = absmax - offset
    blocks = np.pad(centred, (0, -len(centred) % 256)).reshape(-1, 256)
    outer = np.abs(blocks).max(axis=1)
    safe = np.where(outer == 0, np.float32(1), outer)
    codes = nearest(levels, blocks / safe[:, None]).reshape(-1)[: len(absmax)].astype(np.uint8)
    meaning = levels[codes] * outer[np.arange(len(absmax)) // 256] + offset
    return codes, outer, float(offset), meaning


def nf4_parts(name, weight, dtype, nested_levels=None):
    """One linear: its tensors and what they mean; the elements are one row of N*K, two in a byte, the first one above."""
    flat = weight.reshape(-1, 64)
    absmax = np.abs(flat).max(axis=1)
    safe = np.where(absmax == 0, np.float32(1), absmax)
    codes = nearest(NF4_LEVELS, flat / safe[:, None]).reshape(-1, 2).astype(np.uint8)
    state = {"quant_type": "nf4", "blocksize": 64, "dtype": dtype, "shape": list(weight.shape)}
    parts = {"": (codes[:, :1] << 4) | codes[:, 1:], ".quant_map": NF4_LEVELS}
    if nested_levels is None:
        parts[".absmax"] = absmax
    else:
        parts[".absmax"], parts[".nested_absmax"], offset, absmax = nest(absmax, nested_levels)
        parts[".nested_quant_map"] = nested_levels
        state |= {"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": offset}
    parts[".quant_state.bitsandbytes__nf4"] = np.frombuffer(json.dumps(state).encode(), np.uint8).copy()
    meaning = (NF4_LEVELS[codes].reshape(flat.shape) * absmax[:, None]).reshape(weight.shape)
    return {name + part: array for part, array in parts.items()}, meaning.astype(np.float32)


def write_nf4(source, folder, double_quant=True, plain=(), levels=None, dtype=torch.bfloat16, shards=1):
    """plain: linears whose names contain one of these stay as they are, as in a "dynamic" checkpoint.

    levels: another map than the usual one for nested scales; a reader takes what stands in the file.
    """
    nested = (dynamic_map() if levels is None else levels) if double_quant else None
    settings = {"_load_in_4bit": True, "_load_in_8bit": False, "bnb_4bit_compute_dtype": DTYPE_NAMES[dtype],
                "bnb_4bit_quant_storage": "uint8", "bnb_4bit_quant_type": "nf4",
                "bnb_4bit_use_double_quant": double_quant, "llm_int8_enable_fp32_cpu_offload": False,
                "llm_int8_has_fp16_weight": False, "llm_int8_skip_modules": ["lm_head", *plain] if plain else None,
                "llm_int8_threshold": 6.0, "load_in_4bit": True, "load_in_8bit": False, "quant_method": "bitsandbytes"}

    def quantise(name, weight):
        if any(part in name for part in plain):
            return None
        return nf4_parts(name, weight, DTYPE_NAMES[dtype], nested)

    return convert(source, folder, settings, quantise, dtype, shards)
