"""Drives bin/text_probe, the text layer behind a pipe, for bulk comparison."""
import json
import os
import pathlib
import struct
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
QWEN = ROOT.parent / "shared" / "data" / "qwen"


class ProbeError(Exception):
    def __init__(self, status, words):
        super().__init__(words)
        self.status = status


def find_probe():
    """The one of STEER_BUILD, else the newest of all build folders."""
    named = os.environ.get("STEER_BUILD")
    found = [pathlib.Path(named) / "bin" / "text_probe"] if named else ROOT.glob("build/*/bin/text_probe")
    found = sorted((p for p in found if p.is_file()), key=lambda p: p.stat().st_mtime)
    if not found:
        pytest.skip("text_probe is not built")
    return found[-1]


class Probe:
    def __init__(self, tokenizer_json, template=None):
        command = [find_probe(), tokenizer_json] + ([template] if template else [])
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.size = int(self._answer())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def _answer(self):
        status, size = struct.unpack("<iI", self.process.stdout.read(8))
        data = self.process.stdout.read(size)
        if status:
            raise ProbeError(status, data.decode("utf-8", "replace"))
        return data

    def ask(self, operation, data):
        self.process.stdin.write(operation + struct.pack("<I", len(data)) + data)
        self.process.stdin.flush()
        return self._answer()

    def encode(self, text, special=False):
        data = text if isinstance(text, bytes) else text.encode("utf-8")
        return ids_of(self.ask(b"s" if special else b"e", data))

    def decode(self, ids):
        return self.ask(b"d", struct.pack(f"<{len(ids)}i", *ids))

    def normalise(self, text):
        return self.ask(b"n", text.encode("utf-8")).decode("utf-8")

    def chat_text(self, request):
        return self.ask(b"r", as_json(request)).decode("utf-8")

    def chat_origins(self, request):
        return self.ask(b"o", as_json(request))

    def chat_ids(self, request):
        data = self.ask(b"c", as_json(request))
        count = len(data) // 5
        return ids_of(data[:4 * count]), list(data[4 * count:])


def as_json(request):
    return json.dumps(request, ensure_ascii=False).encode("utf-8")


def ids_of(data):
    return list(struct.unpack(f"<{len(data) // 4}i", data))
