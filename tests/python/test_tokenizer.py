"""The tokenizer against Hugging Face tokenizers, on the real Qwen vocabulary and on the demo model's."""
import dataclasses
import json
import pathlib
import random
import shutil
import subprocess
import sys
import unicodedata

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "text"))
from probe import QWEN, Probe, ProbeError  # noqa: E402

tokenizers = pytest.importorskip("tokenizers")

CONTROLS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>",
            "<|im_", "<|im_start|", "<<|im_end|>>", "<|IM_END|>", "<|vision_start|>"]
RANGES = {
    "ascii": [(0x20, 0x7E)], "control": [(0, 0x1F), (0x7F, 0x9F)], "latin": [(0xA0, 0x24F)], "marks": [(0x300, 0x36F)],
    "greek, cyrillic": [(0x391, 0x3A1), (0x3A3, 0x3C9), (0x400, 0x481)], "hebrew, arabic": [(0x5D0, 0x5EA), (0x620, 0x64A), (0x64B, 0x652)],
    "devanagari": [(0x904, 0x939), (0x93C, 0x94D)], "thai": [(0xE01, 0xE3A), (0xE40, 0xE5B)], "jamo": [(0x1100, 0x1112), (0x1161, 0x1175), (0x11A8, 0x11C2)],
    "kana": [(0x3041, 0x3096), (0x3099, 0x30FF)], "half width": [(0xFF01, 0xFF9F)], "kanji": [(0x4E00, 0x9FA5)],
    "compatibility": [(0xF900, 0xFA6D), (0xFB00, 0xFB06), (0x2F800, 0x2FA1D)], "hangul": [(0xAC00, 0xD7A3)],
    "kanji b": [(0x20000, 0x2A6D6)], "emoji": [(0x1F300, 0x1F5FF), (0x1F600, 0x1F64F), (0x1F680, 0x1F6C5), (0x1F900, 0x1F93E), (0x1F1E6, 0x1F1FF)],
    "joiners": [(0x200B, 0x200F), (0xFE00, 0xFE0F)], "symbols": [(0x2010, 0x2027), (0x2030, 0x205E), (0x2190, 0x23FF), (0x2460, 0x24FF), (0x3000, 0x303F)],
    "numbers": [(0x30, 0x39), (0x660, 0x669), (0x2150, 0x2188), (0xFF10, 0xFF19), (0x1D7CE, 0x1D7FF)],
    "mathematics": [(0x1D400, 0x1D454), (0x1D15E, 0x1D164)],
}
SPACES = [" ", "  ", "\t", "\n", "\r\n", "\n\n", "\r", "\u00a0", "\u3000", "\u2003", "\u2028", "\x0b", "\x85", " \n ", "\u200b", "\ufeff", "\x1c"]
WORDS = ["I'm", "you'RE", "don't", "it's", "IT'S", "'s", "'ſ", "'LL", "'ll", "she'd", "we'Ve", "hello", "World", "あーし", "めっちゃ",
         "こんにちは", "東京都", "ｶﾞｷﾞ", "3.14", "12345", "www", "ーー", "〜♪", "(笑)", "!?", "...", "http://a.b/c?d=e&f", "x=y+1;", "naïve", "e\u0301",
         "か\u3099", "パ", "ハ\u309a", "\u1100\u1161\u11a8", "각", "👩\u200d👩\u200d👧", "🏳\ufe0f\u200d🌈", "ﬁ", "Å", "\u212b", "Ω", "\u2126", "İ", "ŉ"]


def random_characters(rng, names, count):
    picked = []
    while len(picked) < count:
        low, high = rng.choice(RANGES[rng.choice(names)])
        c = chr(rng.randint(low, high))
        if unicodedata.category(c) != "Cn":
            picked.append(c)
    return "".join(picked)


def random_text(rng):
    kind = rng.random()
    if kind < 0.25:  # one script
        return random_characters(rng, [rng.choice(list(RANGES))], rng.randint(1, 60))
    if kind < 0.5:  # several
        return random_characters(rng, rng.sample(list(RANGES), rng.randint(2, 5)), rng.randint(1, 80))
    parts = []
    for _ in range(rng.randint(1, 25)):
        pick = rng.random()
        if pick < 0.45:
            parts.append(rng.choice(WORDS))
        elif pick < 0.75:
            parts.append(rng.choice(SPACES))
        elif pick < 0.85:
            parts.append(rng.choice(CONTROLS))
        else:
            parts.append(random_characters(rng, list(RANGES), rng.randint(1, 6)))
    return "".join(parts)


def random_bytes(rng):
    """A text with some bytes changed, cut or added: broken UTF-8."""
    data = bytearray(random_text(rng).encode("utf-8"))
    for _ in range(rng.randint(1, 6)):
        if data and rng.random() < 0.7:
            data[rng.randrange(len(data))] = rng.randrange(256)
        else:
            at = rng.randint(0, len(data))
            data[at:at] = bytes(rng.randrange(0x80, 0x100) for _ in range(rng.randint(1, 3)))
    return bytes(data[:rng.randint(1, len(data))])


def real_texts():
    """Lines of the project's own files: prose, code, JSON."""
    for pattern in ("include/steer/*.h", "src/*/*.h", "docs/*.md", "README.md", "examples/demo_model/*.py"):
        for path in sorted(ROOT.glob(pattern)):
            text = path.read_text(encoding="utf-8")
            yield text
            yield from (text[i:i + 200] for i in range(0, len(text), 200))


def make_qwen(folder):
    if not QWEN.is_dir():
        pytest.skip(f"the Qwen vocabulary is not at {QWEN}")
    subprocess.run([sys.executable, QWEN / "make_tokenizer_json.py", folder, "--qwen3"], check=True, stdout=subprocess.DEVNULL)
    return folder / "tokenizer.json"


@pytest.fixture(scope="module")
def qwen_json(tmp_path_factory):
    return make_qwen(tmp_path_factory.mktemp("qwen"))


@pytest.fixture(scope="module", params=["qwen3", "demo model"])
def tokenizer_json(request):
    if request.param == "qwen3":
        return request.getfixturevalue("qwen_json")
    path = ROOT / "examples" / "demo_model" / "model" / "tokenizer.json"
    if not path.is_file():
        pytest.skip("the demo model has not been built")
    return path


@pytest.fixture(scope="module")
def pair(tokenizer_json):
    reference = tokenizers.Tokenizer.from_file(str(tokenizer_json))
    plain = tokenizers.Tokenizer.from_file(str(tokenizer_json))
    plain.encode_special_tokens = True
    with Probe(tokenizer_json) as probe:
        yield probe, reference, plain


def check_all(probe, reference, texts):
    expected = reference.encode_batch(texts, add_special_tokens=False)
    for text, encoding in zip(texts, expected):
        assert probe.encode(text, special=True) == encoding.ids, repr(text)


def test_random_strings(pair):
    probe, reference, _ = pair
    rng = random.Random(20240607)
    check_all(probe, reference, [random_text(rng) for _ in range(20000)])


def test_real_strings(pair):
    probe, reference, _ = pair
    texts = list(real_texts())
    assert len(texts) > 200
    check_all(probe, reference, texts)


def test_broken_utf8_is_read_as_python_replaces_it(pair):
    probe, reference, _ = pair
    rng = random.Random(7)
    data = [random_bytes(rng) for _ in range(5000)]
    expected = reference.encode_batch([d.decode("utf-8", "replace") for d in data], add_special_tokens=False)
    for d, encoding in zip(data, expected):
        assert probe.encode(d, special=True) == encoding.ids, d


def test_every_character(pair):
    """Each assigned character alone, between letters, and after a space: classes and normalisation."""
    probe, reference, _ = pair
    codes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) not in ("Cn", "Co")]
    # what newer versions of Unicode have assigned or changed is left out: the two libraries may be of different age
    codes = [c for c in codes if unicodedata.ucd_3_2_0.category(chr(c)) == unicodedata.category(chr(c))]
    texts = []
    for begin in range(0, len(codes), 40):
        texts.append("".join(f"a{chr(c)}b {chr(c)}. {chr(c)}\n" for c in codes[begin:begin + 40]))
    assert len(codes) > 80000
    check_all(probe, reference, texts)


def test_plain_text_has_no_control_tokens(pair):
    """special off: what looks like a control token is ordinary text."""
    probe, reference, plain = pair
    special = [t for t in plain.get_added_tokens_decoder().values() if t.special]
    assert special
    for token in special:
        text = f"a {token.content} b{token.content}"
        assert probe.encode(text) == plain.encode(text, add_special_tokens=False).ids
        assert probe.encode(text) != probe.encode(text, special=True)


def test_round_trip(pair):
    probe, reference, _ = pair
    rng = random.Random(11)
    for i in range(5000):
        text = random_text(rng)
        normal = unicodedata.normalize("NFC", text)
        assert probe.normalise(text) == normal
        assert probe.decode(probe.encode(text)).decode("utf-8") == normal
        if normal == text:  # control tokens spell themselves; text between them is normalised piece by piece
            assert probe.decode(probe.encode(text, special=True)).decode("utf-8") == text


def test_all_tokens_spell_their_bytes(pair):
    """Every id, decoded alone, against the vocabulary in the file."""
    probe, reference, _ = pair
    alphabet = bytes_to_unicode()
    added = {t: token.content for t, token in reference.get_added_tokens_decoder().items()}
    for text, i in reference.get_vocab(with_added_tokens=True).items():
        expected = added[i].encode("utf-8") if i in added else bytes(alphabet[c] for c in text)
        assert probe.decode([i]) == expected
    assert probe.size == max(reference.get_vocab(with_added_tokens=True).values()) + 1


def bytes_to_unicode():
    """GPT-2's table, the other way round."""
    printable = list(range(ord("!"), ord("~") + 1)) + list(range(0xA1, 0xAD)) + list(range(0xAE, 0x100))
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + n): b for n, b in enumerate(others)}


LONG = {"letters": "a", "kana": "あ", "mixed letters": "abかe字", "spaces": " ", "newlines": "\n", "space and newline": " \n",
        "digits": "7", "punctuation": "!", "marks": "\u0301", "marks of two classes": "\u0301\u0323", "jamo": "\u1100\u1161",
        "quotes": "'", "angle brackets": "<", "broken": None}


@pytest.mark.parametrize("name", LONG)
def test_a_long_run_of_one_class(pair, name):
    """200 kB without a break. Marks are compared with Python: the reference is quadratic in them."""
    probe, reference, _ = pair
    if name == "broken":
        assert probe.decode(probe.encode(b"\xe3\x81" * 100000)).decode("utf-8") == "\ufffd" * 100000
        return
    text = LONG[name] * (200000 // len(LONG[name].encode("utf-8")))
    if "marks" in name:
        text = text[:20000]
        assert probe.decode(probe.encode(text)).decode("utf-8") == unicodedata.normalize("NFC", text)
    else:
        assert probe.encode(text, special=True) == reference.encode(text, add_special_tokens=False).ids


def test_merges_as_text_are_the_same(qwen_json, tmp_path):
    """Older files write a merge as "a b", newer ones as ["a", "b"]."""
    edit = lambda d: d["model"].update(merges=[" ".join(m) for m in d["model"]["merges"]])
    rng = random.Random(3)
    texts = [random_text(rng) for _ in range(1000)]
    with Probe(change(qwen_json, tmp_path, edit)) as older:
        check_all(older, tokenizers.Tokenizer.from_file(str(qwen_json)), texts)


def test_through_the_c_door(library, qwen_json, tmp_path):
    """The same through steer_text_encode and steer_text_decode, on a model of which no weight is read."""
    import checkpoints
    import steer_c
    shape = checkpoints.Shape("door", hidden=16, heads=2, kv_heads=1, ffn=16, layers=1)
    shape = dataclasses.replace(shape, padding=151936 - checkpoints.real_vocabulary())
    folder = checkpoints.write(shape, tmp_path / "model")
    shutil.copy(qwen_json, folder / "tokenizer.json")
    reference = tokenizers.Tokenizer.from_file(str(qwen_json))
    rng = random.Random(13)
    texts = [random_text(rng) for _ in range(2000)]
    with steer_c.Model(folder, residency=steer_c.RESIDENCY_NONE) as model:
        for text, encoding in zip(texts, reference.encode_batch(texts, add_special_tokens=False)):
            assert model.encode(text, steer_c.TEXT_SPECIAL) == encoding.ids, repr(text)
            if unicodedata.normalize("NFC", text) == text:
                assert model.decode(encoding.ids, steer_c.TEXT_SPECIAL).decode("utf-8") == text
            assert model.decode(encoding.ids).decode("utf-8", "replace") == reference.decode(encoding.ids)
        broken = random_bytes(rng)
        assert model.encode(broken) == model.encode(broken.decode("utf-8", "replace"))


def change(path, tmp_path, edit):
    data = json.loads(path.read_text(encoding="utf-8"))
    edit(data)
    changed = tmp_path / "tokenizer.json"
    changed.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return changed


@pytest.mark.parametrize("words, edit", [
    ("normalizer", lambda d: d.update(normalizer={"type": "NFKC"})),
    ("pattern", lambda d: d["pre_tokenizer"]["pretokenizers"][0].update(pattern={"Regex": "\\w+"})),
    ("pre_tokenizer", lambda d: d.update(pre_tokenizer={"type": "ByteLevel", "add_prefix_space": False, "use_regex": False})),
    ("byte_fallback", lambda d: d["model"].update(byte_fallback=True)),
    ("model", lambda d: d["model"].update(type="Unigram")),
    ("lstrip", lambda d: d["added_tokens"][0].update(lstrip=True)),
])
def test_what_would_change_tokens_is_refused_by_name(qwen_json, tmp_path, words, edit):
    with pytest.raises(ProbeError, match=words) as refused:
        Probe(change(qwen_json, tmp_path, edit))
    assert refused.value.status == -7  # STEER_ERR_UNSUPPORTED


@pytest.mark.parametrize("words, edit", [
    ("merges", lambda d: d["model"].update(merges=[["no such", "token"]])),
    ("merges", lambda d: d["model"].update(merges=["a b c"])),
    ("vocab", lambda d: d["model"].update(vocab={"a": -1})),
    ("byte alphabet", lambda d: d["model"]["vocab"].pop("a")),
    ("vocab", lambda d: d["model"].pop("vocab")),
    ("twice", lambda d: d["model"]["vocab"].update({"zzzzzzzzzz": 5})),
])
def test_broken_files_are_refused(qwen_json, tmp_path, words, edit):
    with pytest.raises(ProbeError, match=words) as refused:
        Probe(change(qwen_json, tmp_path, edit))
    assert refused.value.status == -9  # STEER_ERR_FORMAT
