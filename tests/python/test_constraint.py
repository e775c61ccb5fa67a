"""Constrained replies against Python's json and jsonschema: what is written always fits, what fits is let through, what does
not is refused. STEER_CONSTRAINT_CASES multiplies the number of random schemas."""

import json
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest

jsonschema = pytest.importorskip("jsonschema")

import schemas  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
QWEN = ROOT.parent / "shared" / "data" / "qwen"
DEMO = ROOT / "examples" / "demo_model" / "model"
CASES = int(os.environ.get("STEER_CONSTRAINT_CASES", "1"))
PLENTY = 10**6


class Refused(Exception):
    def __init__(self, status, words):
        super().__init__(words)
        self.status = status


class Probe:
    """bin/constraint_probe behind its pipe."""

    def __init__(self, program, tokenizer):
        self.process = subprocess.Popen([program, str(tokenizer)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.size = int(self.answer())

    def answer(self):
        status, size = struct.unpack("<iI", self.process.stdout.read(8))
        data = self.process.stdout.read(size)
        if status:
            raise Refused(status, data.decode("utf-8", "replace"))
        return data

    def ask(self, operation, data):
        self.process.stdin.write(operation + struct.pack("<I", len(data)) + data)
        self.process.stdin.flush()
        return self.answer()

    def compile(self, schema):
        """The tokens that the shortest document surely fits into. None: any JSON."""
        return int(self.ask(b"c", b"" if schema is None else json.dumps(schema, ensure_ascii=False).encode()))

    def accept(self, data):
        return json.loads(self.ask(b"a", data if isinstance(data, bytes) else data.encode()))

    def fits(self, data):
        data = data if isinstance(data, bytes) else data.encode()
        told = self.accept(data)
        return told["accepted"] == len(data) and told["complete"]

    def take(self, ids):
        return json.loads(self.ask(b"t", struct.pack(f"<{len(ids)}i", *ids)))

    def walk(self, **request):
        told, text = self.ask(b"w", json.dumps(request).encode()).split(b"\n", 1)
        return json.loads(told), text

    def compare(self, tokens_left, text):
        return json.loads(self.ask(b"x", json.dumps({"tokens_left": tokens_left}).encode() + b"\n" + text))

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module", params=["qwen", "demo"])
def tokenizer_json(request, tmp_path_factory):
    if request.param == "demo":
        if not (DEMO / "tokenizer.json").is_file():
            pytest.skip("the demo model has not been built")
        return DEMO / "tokenizer.json"
    if not QWEN.is_dir():
        pytest.skip(f"the Qwen vocabulary is not at {QWEN}")
    folder = tmp_path_factory.mktemp("qwen")
    subprocess.run([sys.executable, QWEN / "make_tokenizer_json.py", folder, "--qwen3"], check=True, stdout=subprocess.DEVNULL)
    return folder / "tokenizer.json"


@pytest.fixture(scope="module")
def tokens(probe, tokenizer_json):
    started = Probe(probe("constraint_probe"), tokenizer_json)
    yield started
    started.close()


def cases(count, name):
    """Pairs of a random source and a generator that uses it."""
    for seed in range(count * CASES):
        rng = random.Random(f"{name} {seed}")
        yield rng, schemas.Generator(rng)


def test_whatever_is_drawn_fits(tokens):
    """Random walks over random schemas, most of them cut short by their limit of tokens."""
    finishes = {}
    for rng, generator in cases(80, "walk"):
        schema = generator.schema()
        least = tokens.compile(schema)
        valid = schemas.validator(schema)
        for _ in range(5):
            request = {"seed": rng.randrange(2**32), "token_max": least + rng.choice([0, 0, 1, 3, 10, 40, 100]),
                       "short": rng.choice([0.0, 0.5, 0.95])}
            told, text = tokens.walk(**request)
            assert told["complete"], (schema, request, told, text)
            valid.validate(schemas.parse_strictly(text))
            finishes[told["finish"]] = finishes.get(told["finish"], 0) + 1
    assert finishes["complete"] > 40 and finishes["token_max"] > 40, finishes


def test_any_json(tokens):
    assert tokens.compile(None) == 1
    for rng, _ in cases(100, "any"):
        told, text = tokens.walk(seed=rng.randrange(2**32), token_max=rng.choice([1, 2, 3, 8, 30, 100]), short=rng.choice([0.0, 0.6, 0.95]))
        assert told["complete"], text
        schemas.parse_strictly(text)


def arbitrary_tokens(rng, text, by_bytes):
    """Some way to spell a text: at each place any of the tokens that go on so."""
    ids, at = [], 0
    while at < len(text):
        fitting = [size for size in range(1, 17) if text[at:at + size] in by_bytes and at + size <= len(text)]
        size = rng.choice(fitting)
        ids.append(by_bytes[text[at:at + size]])
        at += size
    return ids


@pytest.fixture(scope="module")
def by_bytes(tokenizer_json):
    """Bytes -> id of every token that is text."""
    printable = list(range(0x21, 0x7F)) + list(range(0xA1, 0xAD)) + list(range(0xAE, 0x100))
    others = [byte for byte in range(256) if byte not in printable]
    alphabet = {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}
    made = json.loads(tokenizer_json.read_text(encoding="utf-8"))
    return {bytes(alphabet[c] for c in word): i for word, i in made["model"]["vocab"].items()}


def test_what_fits_is_let_through(tokens, by_bytes):
    """Documents made without libsteer, byte by byte and in arbitrary tokens."""
    seen = 0
    for rng, generator in cases(150, "fits"):
        schema = generator.schema()
        tokens.compile(schema)
        valid = schemas.validator(schema)
        for _ in range(4):
            value = generator.value(schema, schema)
            text = generator.write(value).encode()
            valid.validate(schemas.parse_strictly(text))  # the generator itself is right
            assert tokens.fits(text), (schema, text, tokens.accept(text))
            ids = arbitrary_tokens(rng, text, by_bytes)
            told = tokens.take(ids)
            whole_name = told["accepted"] < len(ids) and b'"' in text  # a token with the whole of a free name is not used
            if not whole_name:
                assert told["complete"], (schema, text)
                seen += 1
    assert seen > 100


def test_what_does_not_fit_is_refused(tokens):
    """Values next to one that fits, where jsonschema refuses them."""
    refused = 0
    for rng, generator in cases(150, "not"):
        schema = generator.schema()
        tokens.compile(schema)
        valid = schemas.validator(schema)
        for _ in range(12):
            value = schemas.mutations(rng, generator.value(schema, schema))
            text = generator.write(value, ("", rng.choice(["", " "]), None)).encode()
            if not valid.is_valid(json.loads(text)):
                assert not tokens.fits(text), (schema, text)
                refused += 1
    assert refused > 500


def test_broken_json_is_refused(tokens):
    """A byte more, less or other; Python says whether it is JSON still."""
    refused = 0
    tokens.compile(None)
    for rng, generator in cases(400, "broken"):
        text = bytearray(generator.write(generator.any_value(0)).encode())
        at = rng.randrange(len(text) + 1)
        text[at:at + rng.choice([0, 1])] = bytes(rng.choice(b'"\\{}[]:,0123eE+-.tfn \n\t/\x00\x1f\x80\xc3\xed\xff') for _ in range(rng.choice([0, 1, 1])))
        try:
            schemas.parse_strictly(bytes(text))
        except (ValueError, RecursionError):
            assert not tokens.fits(bytes(text)), text
            refused += 1
    assert refused > 150


def test_masks_are_exact(tokens):
    """Each mask against every token of the vocabulary, tried; where tokens are few too. A token with the whole of a free name
    is the one thing that a mask leaves out though it could be taken."""
    if tokens.size > 20000:
        pytest.skip("every token is tried over the small vocabulary")
    compared = 0
    for rng, generator in cases(60, "exact"):
        schema = rng.choice([generator.schema(), generator.schema(), None])
        least = tokens.compile(schema)
        free_names = schema is None or "additionalProperties" in json.dumps(schema)
        for _ in range(3):
            _, text = tokens.walk(seed=rng.randrange(2**32), token_max=least + rng.choice([0, 5, 30]), short=0.7)
            cut = text[:rng.randrange(len(text) + 1)]
            told = tokens.compare(rng.choice([1, 2, 3, 4, 6, 9, 14, 20, PLENTY]), cut)
            assert told["wrong"] == [], (schema, cut)
            assert free_names or told["missing"] == [], (schema, cut)
            compared += told["allowed"] > 0
    assert compared > 40


@pytest.mark.parametrize("status, where, schema", [
    (-7, "#/properties/a/not", {"type": "object", "properties": {"a": {"not": {"type": "null"}}}}),
    (-7, "#/patternProperties", {"type": "object", "patternProperties": {"^x": True}}),
    (-7, "#/items/multipleOf", {"type": "array", "items": {"type": "number", "multipleOf": 2}}),
    (-7, "#/uniqueItems", {"type": "array", "uniqueItems": True}),
    (-7, "#/allOf", {"allOf": [{"type": "string"}, {"minLength": 2}]}),
    (-7, "#/oneOf", {"oneOf": [{"type": "integer"}, {"type": "number"}]}),
    (-7, "#/minLength", {"enum": ["a"], "minLength": 2}),
    (-7, "#/properties", {"$ref": "#/$defs/x", "properties": {}, "$defs": {"x": True}}),
    (-7, "#/format", {"type": "string", "format": "hostname"}),
    (-7, "#/$ref", {"$ref": "http://example.org/schema"}),
    (-7, "#/pattern", {"type": "string", "pattern": "(?=a)b"}),
    (-7, "#/pattern", {"type": "string", "pattern": "(" * 100 + ")" * 100}),
    (-7, "#/pattern", {"type": "string", "pattern": "(.*a.{12}){9}"}),
    (-7, "#/pattern", {"type": "string", "pattern": "((((){1000}){1000}){1000}){1000}"}),
    (-7, "too large", {"type": "array", "minItems": 10**8}),
    (-9, "#/pattern", {"type": "string", "pattern": "(a"}),
    (-9, "#/pattern", {"type": "string", "pattern": "^+"}),
    (-9, "#/$ref", {"$ref": "#/$defs/nothing"}),
    (-9, "#", {"$ref": "#"}),
    (-9, "#", {"anyOf": [{"$ref": "#"}, {"type": "null"}]}),
    (-9, "#", {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}),
    (-9, "#/properties/a", {"type": "object", "properties": {"a": False}, "required": ["a"]}),
    (-9, "#/required", {"type": "object", "properties": {}, "required": ["a"], "additionalProperties": False}),
    (-9, "#/type", {"type": "text"}),
    (-9, "#/minLength", {"type": "string", "minLength": -1}),
    (-9, "#/maxItems", {"type": "array", "minItems": 2, "maxItems": 1}),
    (-9, "#/properties/x~1y~0/maximum", {"properties": {"x/y~": {"type": "integer", "maximum": "3"}}}),
    (-9, "#/enum", {"type": "string", "enum": [1, 2]}),
    (-9, "#", {"type": "integer", "exclusiveMaximum": 4, "exclusiveMinimum": 3.5}),
    (-9, "#", False),
])
def test_refusals_name_the_place(tokens, status, where, schema):
    with pytest.raises(Refused) as refused:
        tokens.compile(schema)
    assert refused.value.status == status, str(refused.value)
    assert where in str(refused.value)


@pytest.mark.parametrize("text", [b"{", b'{"type":"string"} x', b'{"type":"string","type":"null"}', b"[" * 100, b"\xff"])
def test_what_is_no_json_is_refused(tokens, text):
    with pytest.raises(Refused) as refused:
        tokens.ask(b"c", text)
    assert refused.value.status == -9
    assert "constraint_text" in str(refused.value)
