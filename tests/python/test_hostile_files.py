"""Damaged safetensors files: what libsteer accepts and refuses against the parser of the safetensors package."""
import struct
import subprocess

import pytest

safetensors = pytest.importorskip("safetensors")

# Where we are stricter: part of our words, and why.
STRICTER = {
    "in shape is too large": "above 2^62, beside a 0; shapes are signed numbers everywhere else",
    "has an unknown field": "bytes that only some readers see",
    "does not begin with '{'": "the format's own text asks for it",
    "more than 8 dimensions": "nothing that we read has more",
    "an entry of __metadata__ stands twice": "two readers would see two values",
    "null where none may stand in the header, at __metadata__": "the format's own text says strings",
    "more than 65536 entries in __metadata__": "memory that no file of ours justifies",
    "more than 262144 tensors": "memory that no file of ours justifies",
}


def records(path):
    data, at = path.read_bytes(), 0
    while at < len(data):
        size, = struct.unpack_from("<I", data, at)
        file = data[at + 4:at + 4 + size]
        at += 4 + size
        status, size = struct.unpack_from("<iI", data, at)
        words = data[at + 8:at + 8 + size].decode()
        at += 8 + size
        yield file, status, words


def accepted_by_reference(file):
    try:
        safetensors.deserialize(file)
    except safetensors.SafetensorError:
        return False
    return True


def test_accepts_and_refuses_as_the_reference_does(probe, tmp_path):
    subprocess.run([probe("hostile_probe"), "generated", "safetensors", tmp_path / "all"], check=True, timeout=300)
    accepted, refused, reasons = 0, 0, set()
    for file, status, words in records(tmp_path / "all"):
        theirs = accepted_by_reference(file)
        assert theirs or status != 0, f"accepted here, refused by the reference: {file[:300]!r}"
        if status == 0:
            accepted += 1
        elif not theirs:
            refused += 1
        else:
            reason = [known for known in STRICTER if known in words]
            assert reason, f"refused here, accepted by the reference: {words}: {file[:300]!r}"
            reasons.update(reason)
    assert accepted >= 400 and refused >= 7000
    assert reasons == set(STRICTER), "a reason that no file shows"
