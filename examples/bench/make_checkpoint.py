"""A checkpoint with the shape of Qwen2.5-0.5B and random weights: speed does not depend on what the weights say.

The tokenizer is the demo model's; ids beyond it are padding, as in a real checkpoint.
"""
import json
import shutil
import sys

import torch
from safetensors.torch import save_file

SHAPE = {  # config.json of Qwen2.5-0.5B
    "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_act": "silu", "hidden_size": 896,
    "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2,
    "max_position_embeddings": 32768, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "tie_word_embeddings": True,
    "vocab_size": 151936, "torch_dtype": "bfloat16", "use_sliding_window": False,
}
SMALL = {  # stays in a processor's cache
    **SHAPE, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "vocab_size": 4096,
    "max_position_embeddings": 4096,
}


def tensors(config, generator):
    def random(*shape, scale=0.02):
        return (torch.randn(*shape, generator=generator) * scale).to(torch.bfloat16)

    h, f = config["hidden_size"], config["intermediate_size"]
    kv = h // config["num_attention_heads"] * config["num_key_value_heads"]
    yield "model.embed_tokens.weight", random(config["vocab_size"], h)
    yield "model.norm.weight", torch.ones(h, dtype=torch.bfloat16)
    for layer in range(config["num_hidden_layers"]):
        block = f"model.layers.{layer}."
        for name, rows, columns in (("self_attn.q_proj", h, h), ("self_attn.k_proj", kv, h), ("self_attn.v_proj", kv, h),
                                    ("self_attn.o_proj", h, h), ("mlp.gate_proj", f, h), ("mlp.up_proj", f, h), ("mlp.down_proj", h, f)):
            yield f"{block}{name}.weight", random(rows, columns)
            if name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"):
                yield f"{block}{name}.bias", random(rows)
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield f"{block}{name}.weight", torch.ones(h, dtype=torch.bfloat16)


def make_checkpoint(scratch, tokenizer_from, name="random-0.5B", shape=SHAPE):
    folder = scratch / name
    if (folder / "model.safetensors").exists():
        return folder
    print(f"bench: writing {folder.name}{' (1 GB)' if shape is SHAPE else ''} ...", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copy(tokenizer_from / file, folder / file)
    (folder / "config.json").write_text(json.dumps(shape, indent=1), encoding="utf-8")
    unfinished = folder / "unfinished.safetensors"
    save_file(dict(tensors(shape, torch.Generator().manual_seed(1))), unfinished)
    unfinished.rename(folder / "model.safetensors")  # a half-written file never looks like a whole one
    return folder
