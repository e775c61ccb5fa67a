"""The same weights through transformers with Python forward hooks: the peer of steer_bench, with the same lines in and out.

    python peer_transformers.py MODEL_FOLDER DEVICE DTYPE THREADS REAL_VOCABULARY

As lean as such a host can be made: its own loop over model(...) with a cache, without generate()'s bookkeeping.
"""
import json
import math
import sys
import time

import torch
from transformers import AutoModelForCausalLM, DynamicCache

GAUGES = 4
STRENGTH = 0.5


def unit_rows(layers, width):
    """The formula of bench.c."""
    i = torch.arange(1, width + 1, dtype=torch.float64)
    layer = torch.arange(1, layers + 1, dtype=torch.float64)
    rows = torch.sin(0.37 * i[None, :] * layer[:, None])
    return (rows.float() / rows.pow(2).sum(1, keepdim=True).sqrt().float())


class Steering:
    """A push after every block, and cosines at four of them, through hooks."""

    def __init__(self, model, rows):
        layers = len(model.model.layers)
        looked_at = {layers * (i + 1) // GAUGES - 1: i for i in range(GAUGES)}
        self.values = [math.nan] * GAUGES
        self.handles = [block.register_forward_hook(self.hook(rows[layer], looked_at.get(layer)))
                        for layer, block in enumerate(model.model.layers)]

    def hook(self, row, gauge):
        push = STRENGTH * row

        def act(_, __, output):
            state = (output[0] if isinstance(output, tuple) else output) + push
            if gauge is not None:
                last = state[0, -1]
                self.values[gauge] = torch.dot(last, row) / last.norm()
            return (state, *output[1:]) if isinstance(output, tuple) else state

        return act

    def read(self):
        return torch.stack([torch.as_tensor(value) for value in self.values]).tolist()

    def remove(self):
        for handle in self.handles:
            handle.remove()


@torch.inference_mode()
def run(model, rows, real_vocabulary, steered, prompt_count, token_count):
    prompt = torch.tensor([[300 + position * 7919 % 1009 for position in range(prompt_count)]], device=model.device)
    steering = Steering(model, rows) if steered else None
    tokens, gauges = [], None
    begin = time.perf_counter()
    cache, ids, first = DynamicCache(config=model.config), prompt, None
    for _ in range(token_count):
        logits = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
        token = int(logits[0, -1, :real_vocabulary].argmax())  # a host shows the word and the gauge at once, so both are fetched
        if steering:
            gauges = steering.read()
        tokens.append(token)
        ids = torch.tensor([[token]], device=model.device)
        end = time.perf_counter()
        first = first or end
    if steering:
        steering.remove()
    result = {"first_token_ms": (first - begin) * 1e3, "tokens_per_second": (token_count - 1) / (end - first), "tokens": tokens}
    if gauges:
        result["gauge"] = gauges[0]
    return result


def main():
    folder, device, dtype, threads, real_vocabulary = sys.argv[1:]
    torch.set_num_threads(int(threads))
    begin = time.perf_counter()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype), attn_implementation="sdpa").to(device).eval()
    rows = unit_rows(model.config.num_hidden_layers, model.config.hidden_size).to(device, model.dtype)
    print(json.dumps({"load_ms": (time.perf_counter() - begin) * 1e3, "torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        _, kind, prompt, tokens = line.split()
        print(json.dumps(run(model, rows, int(real_vocabulary), kind == "steered", int(prompt), int(tokens))), flush=True)


if __name__ == "__main__":
    main()
