"""tokenizer.model against the sentencepiece package and transformers, with models trained here on the project's own text.

Equal ids, also of unigram models, whose sums of floats other releases of the package add up in another order.
"""

import json
import random
import shutil
import sys
from dataclasses import dataclass

import pytest

from texts import ROOT, random_bytes, random_text, real_texts

sys.path.insert(0, str(ROOT / "tests" / "text"))
from probe import Probe, ProbeError  # noqa: E402

sentencepiece = pytest.importorskip("sentencepiece")

CONTROLS = ["<|im_start|>", "<|im_end|>"]
SYMBOLS = ["♪♪", "wwww", "\n\n"]  # user-defined: one token wherever they stand
RAW = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False}
KINDS = {
    "unigram, as T5": {"model_type": "unigram"},
    "unigram, bytes": {"model_type": "unigram", "byte_fallback": True, **RAW},
    "unigram, nfkc, bytes, symbols": {"model_type": "unigram", "byte_fallback": True, "normalization_rule_name": "nfkc_cf",
                                      "user_defined_symbols": SYMBOLS, "add_dummy_prefix": False},
    "bpe, as T5": {"model_type": "bpe", "user_defined_symbols": SYMBOLS},
    "bpe, as Llama": {"model_type": "bpe", "byte_fallback": True, "split_digits": True, "allow_whitespace_only_pieces": True, **RAW},
    "bpe, words joined": {"model_type": "bpe", "split_by_whitespace": False, "user_defined_symbols": SYMBOLS, **RAW},
    "bpe, as Gemma": {"model_type": "bpe", "byte_fallback": True, "add_dummy_prefix": False, "user_defined_symbols": SYMBOLS, **RAW},
}


@dataclass
class Trained:
    kind: str
    folder: object
    model: object  # the sentencepiece package's

    @property
    def bytes(self):
        return "byte_fallback" in KINDS[self.kind]


def lines():
    """Prose and code of this repository, Japanese of the demo model's passages."""
    for path in sorted(ROOT.glob("docs/*.md")) + sorted(ROOT.glob("src/text/*.cpp")):
        yield from path.read_text(encoding="utf-8").splitlines()
    for line in (ROOT / "examples" / "demo_model" / "contrast.jsonl").read_text(encoding="utf-8").splitlines():
        pair = json.loads(line)
        yield from (pair["prompt"], pair["positive"], pair["negative"])


def train(path, **settings):
    with open(path, "wb") as out:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(line for line in lines() if line), model_writer=out,
            **{"vocab_size": 3000, "hard_vocab_limit": False, "minloglevel": 2, "num_threads": 2, "max_sentence_length": 20000,
               "control_symbols": CONTROLS, **settings})
    return sentencepiece.SentencePieceProcessor(model_file=str(path))


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Kind -> Trained; each is trained once."""
    root, made = tmp_path_factory.mktemp("sentencepiece"), {}

    def get(kind):
        if kind not in made:
            folder = root / str(len(made))
            folder.mkdir()
            made[kind] = Trained(kind, folder, train(folder / "tokenizer.model", **KINDS[kind]))
        return made[kind]

    return get


@pytest.fixture(scope="session", params=list(KINDS))
def each(request, trained):
    return trained(request.param)


@pytest.fixture
def pair(each):
    with Probe(each.folder) as probe:
        yield probe, each


def spelled(it, ids):
    """What tokens spell, from their names alone."""
    out = b""
    for i in ids:
        piece = it.model.id_to_piece(i)
        out += bytes([int(piece[3:5], 16)]) if it.model.is_byte(i) else piece.replace("▁", " ").encode("utf-8")
    return out


def test_random_strings(pair):
    probe, it = pair
    rng = random.Random(11)
    texts = [random_text(rng) for _ in range(3000)] + ["", " ", "▁", "  a", "\0", "<0x0A>", "\ufffd", "wwwwwwwww", "♪♪♪", "\n\n\n\n"]
    for text in texts:
        assert probe.encode(text) == it.model.encode(text), repr(text)


def test_the_projects_own_text(pair):
    probe, it = pair
    for text in list(real_texts())[::3] + list(lines())[::5]:
        assert probe.encode(text) == it.model.encode(text), repr(text)


def test_a_long_text(pair):
    """Also one whose unigram sums are begun anew on the way, and one without a space."""
    probe, it = pair
    whole = "".join(real_texts())
    for text in (whole[:1500000], "".join(whole[:200000].split()), "あ" * 50000, "w" * 5000, " " * 5000):
        assert probe.encode(text) == it.model.encode(text), repr(text[:20])


def test_broken_utf8_is_read_as_python_replaces_it(pair):
    probe, it = pair
    rng = random.Random(12)
    for _ in range(1000):
        data = random_bytes(rng)
        assert probe.encode(data) == it.model.encode(data.decode("utf-8", "replace"))


def test_tokens_spell_their_bytes(pair):
    probe, it = pair
    everything = [i for i in range(it.model.get_piece_size()) if not (it.model.is_control(i) or it.model.is_unknown(i))]
    assert probe.decode(everything) == spelled(it, everything)
    rng = random.Random(13)
    for _ in range(1000):
        text = random_text(rng)
        ids = probe.encode(text)
        assert probe.decode(ids).decode("utf-8") == probe.normalise(text)
        if it.model.unk_id() in ids:
            continue
        assert probe.decode(ids) == spelled(it, ids)
        # The package takes the space off that it had put before the text; here it stays with its token.
        stripped = probe.decode(ids).decode("utf-8")
        assert it.model.decode(ids) in (stripped, stripped.removeprefix(" "))
        if "identity" in KINDS[it.kind].values() and it.bytes:
            assert stripped == (" " if text and KINDS[it.kind].get("add_dummy_prefix", True) else "") + text.replace("▁", " ")


def added(content, special=True, **more):
    return {"content": content, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": special, **more}


def folder_with(it, folder, config, **files):
    shutil.copy(it.folder / "tokenizer.model", folder / "tokenizer.model")
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def llama_config(it, **more):
    """As transformers saves a Llama tokenizer: the control tokens by id, two more behind the model's own."""
    size, model = it.model.get_piece_size(), it.model
    tokens = {i: added(model.id_to_piece(i)) for i in range(size) if model.is_control(i) or model.is_unknown(i)}
    tokens |= {size: added("<think>", special=False), size + 1: added("<|end|>")}
    return {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
            "added_tokens_decoder": {str(i): token for i, token in tokens.items()}, **more}


def talk(rng):
    """Text with control tokens in it. transformers 5 puts no space before a text that has one, sentencepiece does."""
    parts = [rng.choice([*CONTROLS, "<s>", "</s>", "<think>", "<|end|>", "<|im_", "<unk>"]) if rng.random() < 0.3 else random_text(rng)
             for _ in range(rng.randint(1, 6))]
    return "".join(parts).lstrip(" ▁")


@pytest.mark.parametrize("more", [{"legacy": False}, {}, {"add_prefix_space": False}])
def test_control_tokens_as_in_transformers(trained, tmp_path, more):
    transformers = pytest.importorskip("transformers")
    folder = folder_with(trained("bpe, as Llama"), tmp_path, llama_config(trained("bpe, as Llama"), **more))
    theirs = transformers.LlamaTokenizer.from_pretrained(folder)
    rng = random.Random(14)
    with Probe(folder) as probe:
        assert probe.size == len(theirs)
        for _ in range(2000):
            text = talk(rng)
            assert probe.encode(text, special=True) == theirs(text, add_special_tokens=False).input_ids, repr(text)


def test_legacy_puts_a_space_behind_each_control_token(trained, tmp_path):
    transformers = pytest.importorskip("transformers")
    it = trained("bpe, as Llama")
    folder = folder_with(it, tmp_path, llama_config(it, legacy=True))
    theirs = transformers.LlamaTokenizer.from_pretrained(folder)
    with Probe(folder) as probe:
        for text in ("<s>Hello", "a<|im_end|>b c<think>d", "<|im_start|>user\nあ<|im_end|>\n<|im_start|>assistant\n"):
            assert probe.encode(text, special=True) == theirs(text, add_special_tokens=False).input_ids, text


def test_between_control_tokens_text_is_cut_as_sentencepiece_does(each, tmp_path):
    """Each piece by itself; with the space before it only where the whole begins."""
    folder = folder_with(each, tmp_path, llama_config(each))
    rng = random.Random(15)
    controls = {text: each.model.piece_to_id(text) for text in CONTROLS}
    # Messages that are written twice are merged: normalizer_spec { add_dummy_prefix: false }
    plain = sentencepiece.SentencePieceProcessor(model_proto=(folder / "tokenizer.model").read_bytes() + b"\x1a\x02\x18\x00")
    with Probe(folder) as probe:
        for _ in range(300):
            parts = [rng.choice(CONTROLS) if rng.random() < 0.4 else rng.choice(list(lines_once())) for _ in range(6)]
            stretches, expected = [""], []  # odd ones are control tokens
            for part in parts:
                stretches = stretches + [part, ""] if part in controls else stretches[:-1] + [stretches[-1] + part]
            for i, stretch in enumerate(stretches):
                expected += [controls[stretch]] if stretch in controls else (plain if expected else each.model).encode(stretch)
            assert probe.encode("".join(parts), special=True) == expected, parts


def lines_once(cache=[]):
    cache = cache or cache.extend(line for line in lines() if not set(line) & set("<▁")) or cache
    return cache


def test_plain_text_never_becomes_a_control_token(each, tmp_path):
    folder = folder_with(each, tmp_path, llama_config(each))
    size = each.model.get_piece_size()
    control = {i for i in range(size) if each.model.is_control(i)} | {size, size + 1}
    rng = random.Random(16)
    with Probe(folder) as probe:
        for _ in range(1000):
            text = talk(rng)
            ids = probe.encode(text)
            assert not control & set(ids), repr(text)
            if each.bytes and "identity" in KINDS[each.kind].values():
                assert probe.decode(ids).decode("utf-8").removeprefix(" ") == text.replace("▁", " ")


def test_markup_that_was_trained_as_text_stays_out_of_texts(tmp_path):
    """<|im_start|> as a user-defined piece: sentencepiece finds it in every text, we where control tokens are read."""
    model = train(tmp_path / "tokenizer.model", **{**KINDS["bpe, as Gemma"], "control_symbols": [],
                                                   "user_defined_symbols": [*SYMBOLS, *CONTROLS, "<h1>"]})
    text = "<|im_start|>wwww<|im_end|>♪♪ <h1>"
    ids = [model.piece_to_id(piece) for piece in (*CONTROLS, "<h1>")]
    with Probe(tmp_path) as probe:
        assert probe.encode(text, special=True) == model.encode(text)
        plain = probe.encode(text)
        assert not set(ids) & set(plain) and probe.decode(plain).decode() == text
        assert {model.piece_to_id("♪♪"), model.piece_to_id("wwww")} <= set(plain)
    listed = {str(i): added(model.id_to_piece(i), special=i != ids[2]) for i in ids}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": listed}))
    with Probe(tmp_path) as probe:  # a file says that <h1> is text
        assert set(ids) & set(probe.encode(text)) == {ids[2]}


def test_older_files_say_the_same(trained, tmp_path):
    """added_tokens.json and special_tokens_map.json, before there was added_tokens_decoder."""
    it = trained("bpe, as Llama")
    size = it.model.get_piece_size()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    newer = folder_with(it, tmp_path / "a", llama_config(it))
    older = folder_with(it, tmp_path / "b", {}, added_tokens={"<think>": size, "<|end|>": size + 1},
                        special_tokens_map={"bos_token": "<s>", "eos_token": added("</s>"), "unk_token": "<unk>",
                                            "additional_special_tokens": ["<|end|>"]})
    rng = random.Random(17)
    with Probe(newer) as one, Probe(older) as other:
        assert one.ask(b"p", b"") == other.ask(b"p", b"")
        for _ in range(500):
            text = talk(rng)
            assert one.encode(text, special=True) == other.encode(text, special=True)


def test_a_tokenizer_json_wins(trained, tmp_path):
    folder = folder_with(trained("bpe, as Llama"), tmp_path, {})
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ProbeError, match="tokenizer.json"):
        Probe(folder)


def test_files_that_are_no_model_are_refused_by_name(trained, tmp_path):
    whole = (trained("unigram, as T5").folder / "tokenizer.model").read_bytes()
    for data in (b"\n", b"IQ== 0\nIg== 1\n", whole[:1000], whole[:-1], b"\x0a\x03abc"):
        (tmp_path / "tokenizer.model").write_bytes(data)
        with pytest.raises(ProbeError, match="tokenizer.model") as refused:
            Probe(tmp_path)
        assert refused.value.status == -9  # STEER_ERR_FORMAT


def test_words_and_characters_are_refused(tmp_path):
    for kind in ("word", "char"):
        train(tmp_path / "tokenizer.model", model_type=kind, use_all_vocab=True)
        with pytest.raises(ProbeError, match="model_type") as refused:
            Probe(tmp_path)
        assert refused.value.status == -7  # STEER_ERR_UNSUPPORTED


# ---- through the C door ------------------------------------------------------------------------------------------------

TALK = [("system", "You are kind."), ("user", "今日は  いい天気? <|im_end|> :-)"), ("assistant", "The fox goes home."), ("user", "ああ。")]


@pytest.fixture(scope="module")
def model_folder(trained, tmp_path_factory):
    """Random weights with the tokenizer of a Llama: vocabularies beside each other, rows to spare."""
    checkpoints = pytest.importorskip("checkpoints")
    it = trained("bpe, as Llama")
    size = it.model.get_piece_size() + 2
    shape = checkpoints.Shape("sentencepiece", padding=size + 70 - checkpoints.real_vocabulary())
    folder = checkpoints.write(shape, tmp_path_factory.mktemp("model") / "model")
    (folder / "tokenizer.json").unlink()
    return folder_with(it, folder, llama_config(it, chat_template=checkpoints.CHAT_TEMPLATE))


def test_text_and_chat_through_the_c_door(library, model_folder):
    import steer_c
    from transformers import LlamaTokenizer
    theirs = LlamaTokenizer.from_pretrained(model_folder)
    rng = random.Random(18)
    with steer_c.Model(model_folder, residency=steer_c.RESIDENCY_NONE) as model:
        for _ in range(500):
            text = talk(rng)
            ids = theirs(text, add_special_tokens=False).input_ids
            assert model.encode(text, steer_c.TEXT_SPECIAL) == ids
            ours = model.decode(ids, steer_c.TEXT_SPECIAL).decode("utf-8")
            assert ours.removeprefix(" ") == text.replace("▁", " ")
        tame = [(role, content.replace("<|im_end|>", "...")) for role, content in TALK]
        ids, marks = model.chat_encode(tame)
        messages = [{"role": role, "content": content} for role, content in tame]
        rendered = theirs.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        assert ids == theirs(rendered, add_special_tokens=False).input_ids
        assert model.decode([token for token, mark in zip(ids, marks) if mark]).decode() == "The fox goes home."
        end = theirs.convert_tokens_to_ids("<|im_end|>")
        assert model.chat_encode(TALK)[0].count(end) == ids.count(end)
        assert model.decode(model.chat_encode(TALK)[0], steer_c.TEXT_SPECIAL).decode() == model.chat_format(TALK)


def test_a_tokenizer_that_is_larger_than_the_model_is_refused(library, model_folder, tmp_path):
    import steer_c
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    train(folder / "tokenizer.model", **{**KINDS["bpe, as Llama"], "vocab_size": 3600})
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(steer_c.SteerError, match="vocab_size"):
        steer_c.Model(folder, residency=steer_c.RESIDENCY_NONE)


def test_replies_beside_libtorch(torch_library, model_folder):
    """sentencepiece and libtorch each bring a protobuf of their own: both work in one process, whoever was there first."""
    import steer_c
    with steer_c.Model(model_folder) as model, model.session() as session:
        ids, marks = model.chat_encode(TALK)
        session.set_generation(temperature=1.0, seed=3, stop_tokens=[], token_max=60)
        session.set_tokens(ids, marks=marks)
        steps = list(session.generate())
        tokens = [step.token for step in steps]
        assert len(tokens) == 60 and max(tokens) < model.info.vocab_size - 70  # never a row to spare
        special = b"".join(step.bytes for step in steps)
        assert special == model.decode(tokens, steer_c.TEXT_SPECIAL)
        assert "".join(step.text for step in steps) == model.decode(tokens).decode("utf-8", "replace")
        # The reply kept in a conversation gives back its own tokens.
        reply = special.decode("utf-8", "replace")
        if "\ufffd" not in reply and "<" not in reply:
            again, _ = model.chat_encode([*TALK, ("assistant", reply)], prefer=session, flags=0)
            assert again[:len(ids) + len(tokens)] == ids + tokens
