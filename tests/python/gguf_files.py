"""GGUF files of whole models, written with the gguf package from a checkpoint folder as llama.cpp's converter would.

Names of tensors come from the package's own table. What the file's weights are is told by numpy: reference() puts them,
dequantised, into transformers' model.
"""

import json

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from safetensors import safe_open

import checkpoints

ARCHITECTURES = {"Qwen2ForCausalLM": gguf.MODEL_ARCH.QWEN2, "Qwen3ForCausalLM": gguf.MODEL_ARCH.QWEN3}


def weights_of(folder):
    """{name: float32 array} of all safetensors files."""
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            found |= {name: file.get_tensor(name).float().numpy() for name in file.keys()}
    return found


def random_blocks(random, rows, columns, kind):
    """Q4_K and Q6_K, which the package cannot quantise to: any bits are weights, if the scales among them are small."""
    blocks = random.integers(0, 256, (rows * columns // 256, {Type.Q4_K: 144, Type.Q6_K: 210}[kind]), dtype=np.uint8)
    scales = random.uniform(0.5, 1.0, (len(blocks), 2)).astype(np.float16)
    if kind == Type.Q4_K:  # scale * 6 bits * 4 bits - minimum * 6 bits: around zero
        blocks[:, 0:2] = (scales[:, :1] * np.float16(3e-4)).view(np.uint8)
        blocks[:, 2:4] = (scales[:, 1:] * np.float16(2e-3)).view(np.uint8)
    else:
        blocks[:, 208:210] = (scales[:, :1] * np.float16(5e-5)).view(np.uint8)
    return blocks.reshape(rows, -1)


def stored(random, values, kind):
    """The bytes of a weight, and the type that they have: rows that no block divides stay F16, vectors F32."""
    if values.ndim == 1:
        return values, Type.F32
    if values.shape[1] % gguf.GGML_QUANT_SIZES[kind][0] != 0:
        kind = Type.F16
    if kind in (Type.Q4_K, Type.Q6_K):
        return random_blocks(random, *values.shape, kind), kind
    return gguf.quants.quantize(values, kind), kind


def token_list(tokenizer, rows):
    """tokens and token types for every row of the embedding."""
    added = {token["id"]: token for token in tokenizer["added_tokens"]}
    names = {i: text for text, i in tokenizer["model"]["vocab"].items()}
    tokens, types = [], []
    for i in range(max(rows, max(names) + 1, *(i + 1 for i in added))):
        if i in added:
            tokens.append(added[i]["content"])
            types.append(gguf.TokenType.CONTROL if added[i]["special"] else gguf.TokenType.USER_DEFINED)
        elif i in names:
            tokens.append(names[i])
            types.append(gguf.TokenType.NORMAL)
        else:
            tokens.append(f"[PAD{i}]")
            types.append(gguf.TokenType.UNUSED)
    return tokens, types


def add_tokenizer(writer, tokenizer, template, rows):
    tokens, types = token_list(tokenizer, rows)
    merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in tokenizer["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_pad_token_id(tokens.index("<|endoftext|>"))
    writer.add_add_bos_token(False)
    if template is not None:
        writer.add_chat_template(template)


def add_config(writer, config):
    rope = config.get("rope_parameters") or {"rope_theta": config["rope_theta"], **(config.get("rope_scaling") or {})}
    head_dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    if "Qwen3ForCausalLM" in config["architectures"]:  # of Qwen2 the converter leaves these out
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope.get("rope_type", "default") == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        if "beta_fast" in rope:
            writer.add_rope_scaling_yarn_beta_fast(rope["beta_fast"])
            writer.add_rope_scaling_yarn_beta_slow(rope["beta_slow"])


def write(folder, path, kind=Type.F32, kind_of=None, architecture=None, change=None):
    """Writes the checkpoint in a folder; returns {name: float32 array} of what a reader of the file computes with.

    kind_of: {name of the package's: type} for weights that have one of their own. change: is given the writer last.
    """
    config = json.loads((folder / "config.json").read_text())
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    template = json.loads((folder / "tokenizer_config.json").read_text()).get("chat_template")
    arch = ARCHITECTURES[config["architectures"][0]]
    names = gguf.get_tensor_name_map(arch, config["num_hidden_layers"])
    writer = gguf.GGUFWriter(path, architecture or gguf.MODEL_ARCH_NAMES[arch])
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("a random model")
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_config(writer, config)
    add_tokenizer(writer, tokenizer, template, config["vocab_size"])
    random, told = np.random.default_rng(17), {}
    for name, values in weights_of(folder).items():
        theirs = names.get_name(name, try_suffixes=(".weight", ".bias"))
        data, used = stored(random, values, (kind_of or {}).get(theirs, kind))
        told[name] = gguf.quants.dequantize(data, used).reshape(values.shape)
        writer.add_tensor(theirs, data, raw_dtype=used)
    if change is not None:
        change(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return told


def reference(folder, told):
    """transformers' model of the folder, in float32, with these weights."""
    model = checkpoints.reference(folder)
    with torch.no_grad():
        left = dict(model.named_parameters())
        for name, values in told.items():
            left.pop(name).copy_(torch.from_numpy(np.array(values)))
    assert not left, left.keys()
    return model
