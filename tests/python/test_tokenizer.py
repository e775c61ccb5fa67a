"""The tokenizer against Hugging Face tokenizers, on the real Qwen vocabulary and on the demo model's."""
import dataclasses
import json
import random
import shutil
import subprocess
import sys
import unicodedata

import pytest

from texts import ROOT, random_bytes, random_text, real_texts

sys.path.insert(0, str(ROOT / "tests" / "text"))
from probe import QWEN, Probe, ProbeError  # noqa: E402

tokenizers = pytest.importorskip("tokenizers")

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
