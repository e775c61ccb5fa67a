"""Weights as they become when a plain checkpoint is quantised while it is loaded: the rules, in numpy and float32.

Each takes a matrix [outputs, inputs] and returns what stands in its place, as float32.
"""

import numpy as np

from quantised import NF4_LEVELS, NF4_MIDDLES, is_linear

AS_STORED, INT8, INT4, NF4 = 0, 1, 2, 3


def int8_by_rows(weight):
    scale = np.abs(weight).max(axis=1, keepdims=True) / np.float32(127)
    safe = np.where(scale == 0, np.float32(1), scale)
    return np.clip(np.rint(weight / safe), -127, 127) * scale


def int4_group(inputs):
    """The largest of 128, 64 and 32 that divides; None: there is none, and the matrix is refused."""
    return next((group for group in (128, 64, 32) if inputs % group == 0), None)


def int4_by_groups(weight):
    groups = weight.reshape(weight.shape[0], -1, int4_group(weight.shape[1]))
    low = np.minimum(groups.min(axis=2, keepdims=True), np.float32(0))
    high = np.maximum(groups.max(axis=2, keepdims=True), np.float32(0))
    scale = ((high - low) / np.float32(15)).astype(np.float16).astype(np.float32)
    safe = np.where(scale == 0, np.float32(1), scale)
    zero = np.clip(np.rint(-low / safe), 0, 15)
    code = np.clip(np.rint(groups / safe) + zero, 0, 15)
    return ((code - zero) * scale).reshape(weight.shape)


def nf4_by_blocks(weight):
    assert weight.shape[1] % 64 == 0
    blocks = weight.reshape(weight.shape[0], -1, 64)
    absmax = np.abs(blocks).max(axis=2, keepdims=True)
    safe = np.where(absmax == 0, np.float32(1), absmax)
    code = np.searchsorted(NF4_MIDDLES, blocks / safe, side="left")  # on a midpoint: the lower level
    return (NF4_LEVELS[code] * absmax).reshape(weight.shape)


RULES = {INT8: int8_by_rows, INT4: int4_by_groups, NF4: nf4_by_blocks}


def quantised_on_load(weights, kind):
    """All weights of a checkpoint, name -> float32, after loading with this kind; the head stands apart from a tied
    embedding, for it is always int8 and what tokens look up stays as stored."""
    made = {name: RULES[kind](weight) if is_linear(name) else weight for name, weight in weights.items()}
    head = weights.get("lm_head.weight", weights["model.embed_tokens.weight"])
    made["lm_head.weight"] = int8_by_rows(head)
    assert all(array.dtype == np.float32 for array in made.values())
    return made
