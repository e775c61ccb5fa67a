"""A whole model in one GGUF file against what it was made of: blocks with gguf-py, tokens and chat with Hugging Face's."""

import json
import random
import struct
import subprocess
import sys

import numpy as np
import pytest

gguf = pytest.importorskip("gguf")

import checkpoints  # noqa: E402
import gguf_files  # noqa: E402
from checkpoints import SHAPES  # noqa: E402
from gguf_files import Type  # noqa: E402
from texts import ROOT, random_text, real_texts  # noqa: E402

sys.path.insert(0, str(ROOT / "tests" / "text"))
from probe import Probe  # noqa: E402
from test_tokenizer import make_qwen  # noqa: E402

tokenizers = pytest.importorskip("tokenizers")
FORMAT, UNSUPPORTED = -9, -7


# ---- blocks ---------------------------------------------------------------------------------------------------------


def dequantised(probe, tmp_path, data, kind):
    (tmp_path / "in").write_bytes(np.ascontiguousarray(data).tobytes())
    subprocess.run([probe("blocks_probe"), kind.name, str(data.shape[1] * data.itemsize), tmp_path / "in", tmp_path / "out"], check=True)
    return np.fromfile(tmp_path / "out", np.float32).reshape(len(data), -1)


def same_bits(ours, theirs):
    return ours.shape == theirs.shape and np.array_equal(ours.view(np.uint32), theirs.astype(np.float32).view(np.uint32))


@pytest.mark.parametrize("kind", [Type.F32, Type.F16, Type.BF16, Type.Q4_0, Type.Q8_0], ids=lambda k: k.name)
def test_what_the_package_quantises_comes_back_as_it_says(probe, tmp_path, kind):
    values = np.random.default_rng(3).standard_normal((37, 192)).astype(np.float32) * 3
    data = gguf.quants.quantize(values, kind)
    ours = dequantised(probe, tmp_path, data, kind)
    assert same_bits(ours, gguf.quants.dequantize(data, kind))
    assert np.abs(ours - values).max() < {Type.F32: 1e-9, Type.Q4_0: np.abs(values).max() / 8}.get(kind, 0.1)


@pytest.mark.parametrize("kind", [Type.Q4_0, Type.Q8_0, Type.Q4_K, Type.Q6_K], ids=lambda k: k.name)
def test_any_blocks_are_what_the_package_says(probe, tmp_path, kind):
    """Every byte at random, scales of any size that is finite, subnormal ones too."""
    random_ = np.random.default_rng(4)
    block, size = gguf.GGML_QUANT_SIZES[kind]
    data = random_.integers(0, 256, (4000, size), dtype=np.uint8)
    places = {Type.Q4_0: [0], Type.Q8_0: [0], Type.Q4_K: [0, 2], Type.Q6_K: [208]}[kind]
    for place in places:
        halves = random_.integers(0, 0x7C00, len(data)) | random_.integers(0, 2, len(data)) << 15
        data[:, place : place + 2] = halves.astype("<u2").view(np.uint8).reshape(-1, 2)
    theirs = gguf.quants.dequantize(data.reshape(500, -1), kind)
    assert np.isfinite(theirs).all() and len(np.unique(theirs)) > 1000
    assert same_bits(dequantised(probe, tmp_path, data.reshape(500, -1), kind), theirs)


# ---- a file as a folder ---------------------------------------------------------------------------------------------


class Refused(Exception):
    def __init__(self, line):
        status, _, words = line.partition(" ")
        super().__init__(words)
        self.status = int(status)


def told(probe, path, folder):
    folder.mkdir()
    done = subprocess.run([probe("gguf_probe"), path, folder], capture_output=True, text=True)
    if done.returncode == 1:
        raise Refused(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_config_is_that_of_the_checkpoint(probe, random_checkpoint, tmp_path, shape):
    checkpoint = random_checkpoint(shape)
    gguf_files.write(checkpoint.folder, tmp_path / "model.gguf")
    ours = json.loads((told(probe, tmp_path / "model.gguf", tmp_path / "told") / "config.json").read_text())
    config = checkpoint.model.config
    for field in ("architectures", "hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads", "vocab_size",
                  "num_key_value_heads", "max_position_embeddings", "tie_word_embeddings"):
        assert ours[field] == getattr(config, field), field
    assert ours["head_dim"] == (getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)
    assert np.float32(ours["rms_norm_eps"]) == np.float32(config.rms_norm_eps)
    rope = config.rope_parameters
    assert ours["rope_theta"] == rope["rope_theta"]
    if rope.get("rope_type", "default") == "default":
        assert "rope_scaling" not in ours
    else:
        for field in ("rope_type", "factor", "original_max_position_embeddings"):
            assert ours["rope_scaling"][field] == rope[field]
        assert ours["rope_scaling"].get("beta_fast", 32) == (rope.get("beta_fast") or 32)
        assert ours["rope_scaling"].get("beta_slow", 1) == (rope.get("beta_slow") or 1)


@pytest.mark.parametrize("kind", [Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0], ids=lambda k: k.name)
@pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[-1]], ids=str)
def test_each_weight_is_found_where_it_lies(probe, random_checkpoint, tmp_path, shape, kind):
    checkpoint, path = random_checkpoint(shape), tmp_path / "model.gguf"
    expected = gguf_files.write(checkpoint.folder, path, kind)
    found = json.loads((told(probe, path, tmp_path / "told") / "weights.json").read_text())
    assert {weight["name"] for weight in found} == set(expected)
    data = path.read_bytes()
    for weight in found:
        raw = np.frombuffer(data[weight["begin"] : weight["end"]], np.uint8)
        values = gguf.quants.dequantize(raw.reshape(weight["shape"][0], -1), Type[weight["dtype"]])
        assert weight["shape"] == list(expected[weight["name"]].shape)
        assert np.array_equal(values.reshape(weight["shape"]), expected[weight["name"]]), weight["name"]
    assert {weight["dtype"] for weight in found} == {"F32", kind.name}


# ---- tokens and chat ------------------------------------------------------------------------------------------------


def with_a_plain_added_token(folder):
    """A token that is added and not special: reasoning marks are such ones."""
    made = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    made.add_tokens([tokenizers.AddedToken("<think>", special=False, normalized=False)])
    made.save(str(folder / "tokenizer.json"))


@pytest.fixture(scope="module", params=["small", "qwen3"])
def tokens(request, tmp_path_factory):
    """(folder, GGUF file): a checkpoint, and the same in one file."""
    root = tmp_path_factory.mktemp("tokens")
    rows = 5 if request.param == "small" else 151936 - checkpoints.real_vocabulary()
    shape = checkpoints.Shape("tokens", hidden=8, heads=2, kv_heads=1, ffn=8, layers=1, padding=rows)
    folder = checkpoints.write(shape, root / "model")
    if request.param == "small":
        with_a_plain_added_token(folder)
    else:
        make_qwen(root).rename(folder / "tokenizer.json")
    gguf_files.write(folder, root / "model.gguf")
    return folder, root / "model.gguf"


@pytest.fixture(scope="module")
def token_pair(tokens, probe, tmp_path_factory):
    """Our reader of the file's tokenizer, Hugging Face's of the folder's."""
    folder, path = tokens
    made = told(probe, path, tmp_path_factory.mktemp("told") / "model")
    reference = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    with Probe(made / "tokenizer.json") as ours:
        yield ours, reference


def test_tokens_are_those_of_hugging_face(token_pair):
    ours, reference = token_pair
    rng = random.Random(20)
    texts = [random_text(rng) for _ in range(4000)] + list(real_texts())
    for text, expected in zip(texts, reference.encode_batch(texts, add_special_tokens=False), strict=True):
        assert ours.encode(text, special=True) == expected.ids, repr(text)
    assert any("<think>" in text for text in texts)


def test_every_token_is_there_and_no_other(token_pair):
    ours, reference = token_pair
    vocabulary = reference.get_vocab(with_added_tokens=True)
    assert ours.size == max(vocabulary.values()) + 1
    special = {i for i, token in reference.get_added_tokens_decoder().items() if token.special}
    assert special and special != set(reference.get_added_tokens_decoder())
    for i in vocabulary.values():
        try:
            text = reference.decode([i], skip_special_tokens=False).encode()
        except UnicodeDecodeError:
            continue
        if "\ufffd".encode() not in text:
            assert ours.decode([i]) == text


def test_added_tokens_are_special_as_they_were(tokens, probe, tmp_path):
    folder, path = tokens
    ours = json.loads((told(probe, path, tmp_path / "told") / "tokenizer.json").read_text())["added_tokens"]
    theirs = json.loads((folder / "tokenizer.json").read_text())["added_tokens"]
    assert [(t["id"], t["content"], t["special"]) for t in ours] == [(t["id"], t["content"], t["special"]) for t in theirs]


def test_the_tokenizer_is_one_that_hugging_face_reads(tokens, probe, tmp_path):
    """The whole of it, as JSON: vocabulary, merges, normaliser, pattern."""
    folder, path = tokens
    ours = tokenizers.Tokenizer.from_file(str(told(probe, path, tmp_path / "told") / "tokenizer.json"))
    theirs = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert ours.get_vocab(with_added_tokens=True) == theirs.get_vocab(with_added_tokens=True)
    texts = list(real_texts())[:500]
    assert [e.ids for e in ours.encode_batch(texts)] == [e.ids for e in theirs.encode_batch(texts)]


def test_chat_and_end_tokens(tokens, probe, tmp_path):
    from transformers import PreTrainedTokenizerFast

    folder, path = tokens
    made = told(probe, path, tmp_path / "told")
    reference = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), chat_template=checkpoints.CHAT_TEMPLATE)
    talk = [{"role": "system", "content": "Speak."}, {"role": "user", "content": "やあ <|im_end|>"}]
    with Probe(made / "tokenizer.json", made / "chat_template.jinja") as ours:
        text = ours.chat_text({"messages": talk, "open_reply": True})
    assert text == reference.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
    config = json.loads((made / "tokenizer_config.json").read_text())
    assert config == {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    ends = json.loads((made / "generation_config.json").read_text())["eos_token_id"]
    assert ends == [reference.convert_tokens_to_ids(token) for token in ("<|im_end|>", "<|endoftext|>")]


def test_advice_on_sampling(probe, random_checkpoint, tmp_path):
    def advise(writer):
        writer.add_sampling_temp(0.6)
        writer.add_sampling_top_k(20)
        writer.add_sampling_top_p(0.95)

    gguf_files.write(random_checkpoint(SHAPES[1]).folder, tmp_path / "model.gguf", change=advise)
    generation = json.loads((told(probe, tmp_path / "model.gguf", tmp_path / "told") / "generation_config.json").read_text())
    assert generation["do_sample"] is True and generation["top_k"] == 20
    assert np.float32(generation["temperature"]) == np.float32(0.6) and np.float32(generation["top_p"]) == np.float32(0.95)


# ---- refusals -------------------------------------------------------------------------------------------------------


def refuses(probe, tmp_path, folder, status, words, **how):
    gguf_files.write(folder, tmp_path / "model.gguf", **how)
    with pytest.raises(Refused, match=words) as refused:
        told(probe, tmp_path / "model.gguf", tmp_path / "told")
    assert refused.value.status == status and str(tmp_path / "model.gguf") in str(refused.value)


def set_value(key, value):
    def change(writer):
        writer.kv_data[0][key].value = value
    return change


def drop_tensor(name):
    return lambda writer: writer.tensors[0].pop(name)


@pytest.mark.parametrize("status, words, how", [
    (UNSUPPORTED, "architecture 'llama' is not supported", {"architecture": "llama"}),
    (UNSUPPORTED, "tokenizer.ggml.pre is 'llama-bpe'", {"change": set_value("tokenizer.ggml.pre", "llama-bpe")}),
    (UNSUPPORTED, "tokenizer.ggml.model is 'llama'", {"change": set_value("tokenizer.ggml.model", "llama")}),
    (FORMAT, "tensor blk.1.ffn_up.weight is missing", {"change": drop_tensor("blk.1.ffn_up.weight")}),
    (FORMAT, "tensor token_embd.weight is missing", {"change": drop_tensor("token_embd.weight")}),
    (FORMAT, r"'blk.0.ffn_gate.weight' has the dimensions \[64, 96\], the keys of the header ask for \[64, 97\]",
     {"change": set_value("qwen2.feed_forward_length", 97)}),
    (UNSUPPORTED, "'blk.3.[a-z_.]+' has no place in a Qwen2ForCausalLM of 3 layers", {"change": set_value("qwen2.block_count", 3)}),
    (UNSUPPORTED, "'rope_freqs.weight' has no place",
     {"change": lambda writer: writer.add_tensor("rope_freqs.weight", np.ones(8, np.float32))}),
], ids=lambda value: value if isinstance(value, str) else "")
def test_refusals(probe, random_checkpoint, tmp_path, status, words, how):
    refuses(probe, tmp_path, random_checkpoint(SHAPES[1]).folder, status, words, **how)


def test_a_block_type_that_is_not_there_is_named(probe, random_checkpoint, tmp_path):
    refuses(probe, tmp_path, random_checkpoint(SHAPES[1]).folder, UNSUPPORTED,
            "GGUF type Q5_0 is not supported; F32, F16, BF16, Q4_0, Q8_0, Q4_K and Q6_K are", kind_of={"blk.0.ffn_up.weight": Type.Q5_0})


def test_a_file_that_was_cut(probe, random_checkpoint, tmp_path):
    path = tmp_path / "model.gguf"
    gguf_files.write(random_checkpoint(SHAPES[1]).folder, path)
    data = path.read_bytes()
    header = struct.unpack_from("<Q", data, 8)[0] * 40  # somewhere among the tensors' descriptions and before their bytes
    for i, size in enumerate([3, 4, 20, header, len(data) // 2, len(data) - 1]):
        path.write_bytes(data[:size])
        with pytest.raises(Refused, match="cut short|longer than the file|does not begin with GGUF") as refused:
            told(probe, path, tmp_path / f"told{i}")
        assert refused.value.status == FORMAT
