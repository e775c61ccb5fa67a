"""transformers with Python forward hooks at the sizes of real models: the peer of device_bench, with the same lines in and out."""
import json
import sys
import time

import torch
from transformers import DynamicCache, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

from peer_transformers import Steering, unit_rows


def make(model):
    kind, config = (Qwen3ForCausalLM, Qwen3Config) if model["qwen3"] else (Qwen2ForCausalLM, Qwen2Config)
    settings = config(vocab_size=model["vocab"], hidden_size=model["hidden"], intermediate_size=model["ffn"], num_hidden_layers=model["layers"],
                      num_attention_heads=model["heads"], num_key_value_heads=model["kv_heads"], head_dim=model["head_dim"],
                      tie_word_embeddings=model["tied"], max_position_embeddings=32768, attn_implementation="sdpa")
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("meta"):
        made = kind(settings)
    made = made.to_empty(device="cuda").eval()
    made.tie_weights()
    for parameter in made.parameters():
        parameter.normal_(0.0, 0.02)
    made.model.rotary_emb = type(made.model.rotary_emb)(settings, device="cuda")  # its buffers were empty too
    return made


def decode(model, context, steps, steered):
    steering = Steering(model, unit_rows(model.config.num_hidden_layers, model.config.hidden_size).to("cuda", torch.bfloat16)) if steered else None
    cache, times = DynamicCache(config=model.config), []
    ids = torch.tensor([[300 + position * 79 % 1009 for position in range(context)]], device="cuda")
    for _ in range(steps + 1):
        begin = time.perf_counter()
        logits = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
        ids = torch.tensor([[int(logits[0, -1].argmax())]], device="cuda")
        if steering:
            steering.read()
        times.append((time.perf_counter() - begin) * 1e3)
    if steering:
        steering.remove()
    return times[1:]


@torch.inference_mode()
def main():
    model, wanted = None, None
    for line in sys.stdin:
        request = json.loads(line)
        if "model" in request:
            wanted = request["model"]
            model = make(wanted)
            numbers = sum(p.numel() for p in model.model.layers.parameters()) + wanted["vocab"] * wanted["hidden"]
            print(json.dumps({"bytes_per_token": 2 * numbers}), flush=True)
        else:
            print(json.dumps({"wall_ms": decode(model, request["context"], request["steps"], request["steer"] != "off")}), flush=True)


if __name__ == "__main__":
    main()
