"""A reader of control vectors by the rules of llama.cpp's loader, written from these rules: what does not keep them is refused there.

Tensors are named NAME.N; N must be a number and not 0; the type must be F32, the tensor of one dimension, all of one size.
Nothing else may be among the tensors. The row of N is added at the output of block N, for N from 1 on.
"""
import struct

import numpy as np

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, code):
        (value,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize("<" + code)
        return value

    def string(self):
        size = self.number("Q")
        self.at += size
        return self.data[self.at - size : self.at].decode()

    def value(self, kind):
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            kind, count = self.number("I"), self.number("Q")
            return [self.value(kind) for _ in range(count)]
        return self.number(SCALARS[kind])


def load(path):
    """(values, types of values, {N: row}); ValueError where llama.cpp would refuse."""
    reader = Reader(path.read_bytes())
    if reader.data[:4] != b"GGUF":
        raise ValueError("no GGUF")
    reader.at = 4
    if reader.number("I") != 3:
        raise ValueError("not version 3")
    tensor_count, value_count = reader.number("Q"), reader.number("Q")
    values, kinds = {}, {}
    for _ in range(value_count):
        key = reader.string()
        if not key or key in values:
            raise ValueError(f"key {key!r} is empty or stands twice")
        kinds[key] = reader.number("I")
        values[key] = reader.value(kinds[key])
    tensors = []
    for _ in range(tensor_count):
        name, dims = reader.string(), reader.number("I")
        shape = [reader.number("Q") for _ in range(dims)]
        tensors.append((name, shape, reader.number("I"), reader.number("Q")))
    begin = -(-reader.at // 32) * 32
    if values.get("general.architecture") != "controlvector" or not tensors:
        raise ValueError("no control vector")
    rows = {}
    for name, shape, kind, offset in tensors:
        word, _, number = name.partition(".")
        if word != "direction" or not number.isdigit() or int(number) == 0:
            raise ValueError(f"tensor {name}")
        if kind != 0 or len(shape) != 1 or offset % 32 != 0:
            raise ValueError(f"tensor {name} of type {kind}, shape {shape}, at {offset}")
        rows[int(number)] = np.frombuffer(reader.data, np.float32, shape[0], begin + offset)
    if len({row.size for row in rows.values()}) != 1:
        raise ValueError("rows of several sizes")
    return values, kinds, rows
