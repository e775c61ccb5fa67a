"""Trains the demo model on generated talks and saves it as a Hugging Face folder in bfloat16.

usage: train.py [--steps 7654] [--tokens 16384] [--seed 1] [--out model] [--log train_log.txt] [--neutral 63,20,6,5,6]

The tokenizer must lie in the folder already (make_tokenizer.py). Every talk is drawn anew and used once.
"""
import argparse
import json
import math
import multiprocessing
import os
import pathlib
import random
import time

import numpy
import torch
from tokenizers import Tokenizer
from transformers import Qwen2Config, Qwen2ForCausalLM

import dialogue

HERE = pathlib.Path(__file__).resolve().parent
SHARD = 4096               # talks drawn from one seed
LONGEST = 1024             # tokens; a longer talk loses its last turns
_PEAK_RATE, _FLOOR, _WARM_UP, _DECAY, _CLIP = 2e-3, 0.05, 200, 0.1, 1.0
_VALIDATION_SEED = 1_000_003
_tokenizer = None


def demo_config():
    return Qwen2Config(
        vocab_size=4096, hidden_size=256, num_hidden_layers=8, num_attention_heads=4, num_key_value_heads=2, intermediate_size=704,
        max_position_embeddings=LONGEST, rope_theta=10000.0, rms_norm_eps=1e-6, tie_word_embeddings=True, use_sliding_window=False,
        attention_dropout=0.0, bos_token_id=None, eos_token_id=4095, pad_token_id=4093)


def chat_text(messages):
    """What the chat template renders."""
    return "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)


def answer_mask(ids, start, end, header):
    """1 where a token is to be learnt: the assistant's words and the end mark after them."""
    mask, index = numpy.zeros(len(ids), numpy.uint8), 0
    while index < len(ids):
        if ids[index] == start and ids[index + 1:index + 1 + len(header)] == header:
            index += 1 + len(header)
            while index < len(ids) and ids[index] != end:
                mask[index], index = 1, index + 1
            mask[index:index + 1] = 1
        index += 1
    return mask


def _open_tokenizer(path):
    global _tokenizer
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _tokenizer = Tokenizer.from_file(path)


def _shard(job):
    """(ids, mask, lengths) of one shard, flat."""
    seed, count, weights = job
    rng = random.Random(seed)
    start, end = _tokenizer.token_to_id("<|im_start|>"), _tokenizer.token_to_id("<|im_end|>")
    header = _tokenizer.encode("assistant\n").ids
    ids, masks = [], []
    for _ in range(count):
        found = _tokenizer.encode(chat_text(dialogue.conversation(rng, weights))).ids[:LONGEST]
        ids.append(numpy.array(found, numpy.uint16))
        masks.append(answer_mask(found, start, end, header))
    return numpy.concatenate(ids), numpy.concatenate(masks), numpy.array([len(i) for i in ids])


def talks(seeds, weights, tokenizer_path):
    """Tokenised talks of many shards, made by all cores; the result depends on the seeds alone."""
    with multiprocessing.get_context("fork").Pool(initializer=_open_tokenizer, initargs=(str(tokenizer_path),)) as pool:
        for ids, masks, lengths in pool.imap(_shard, [(seed, SHARD, weights) for seed in seeds]):
            ends = numpy.cumsum(lengths)
            yield [(ids[end - n:end], masks[end - n:end]) for end, n in zip(ends, lengths)]


def batches(shards, tokens, rng):
    """Groups of talks of like length, at most `tokens` positions with padding, in random order within four shards."""
    for first in range(0, len(shards), 4):
        pool = sorted((talk for shard in shards[first:first + 4] for talk in shard), key=lambda talk: len(talk[0]))
        groups, group = [], []
        for talk in pool:
            if group and (len(group) + 1) * len(talk[0]) > tokens:
                groups.append(group)
                group = []
            group.append(talk)
        groups.append(group)
        rng.shuffle(groups)
        yield from groups


def tensors(group, device):
    width = max(len(ids) for ids, _ in group)
    ids, mask = numpy.full((len(group), width), 4093, numpy.int64), numpy.zeros((len(group), width), bool)
    for row, (talk, learn) in enumerate(group):
        ids[row, :len(talk)], mask[row, :len(talk)] = talk, learn
    return torch.from_numpy(ids).to(device, non_blocking=True), torch.from_numpy(mask).to(device, non_blocking=True)


def loss_of(model, ids, mask):
    """Mean loss on the assistant's tokens. Padding is at the right, so causal attention never sees it."""
    states = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    learn = mask[:, 1:]
    return torch.nn.functional.cross_entropy(model.lm_head(states[learn]).float(), ids[:, 1:][learn])


def rate(step, steps):
    if step < _WARM_UP:
        return _PEAK_RATE * (step + 1) / _WARM_UP
    progress = (step - _WARM_UP) / max(1, steps - _WARM_UP)
    return _PEAK_RATE * (_FLOOR + (1 - _FLOOR) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def optimizer_of(model, device):
    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.dim() != 2 or "embed" in name]
    return torch.optim.AdamW([{"params": matrices, "weight_decay": _DECAY}, {"params": others, "weight_decay": 0.0}],
                             lr=_PEAK_RATE, betas=(0.9, 0.95), fused=device == "cuda")


@torch.no_grad()
def validate(model, groups, device):
    model.eval()
    total = count = 0
    for group in groups:
        ids, mask = tensors(group, device)
        learnt = int(mask[:, 1:].sum())
        total, count = total + float(loss_of(model, ids, mask)) * learnt, count + learnt
    model.train()
    return total / count


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--steps", type=int, default=7654)
    options.add_argument("--tokens", type=int, default=16384, help="positions a step")
    options.add_argument("--seconds", type=float, default=0, help="lower the steps so that they fit into this time, by the pace of the first 300")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--out", type=pathlib.Path, default=HERE / "model")
    options.add_argument("--log", type=pathlib.Path, default=HERE / "train_log.txt")
    options.add_argument("--neutral", default=",".join(map(str, dialogue.Z_WEIGHTS["neutral"])), help="weights of the voice levels without a persona prompt")
    options.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = options.parse_args()
    weights = {**dialogue.Z_WEIGHTS, "neutral": tuple(float(w) for w in args.neutral.split(","))}
    log = args.log.open("w", encoding="utf-8")

    def say(text):
        print(text, flush=True)
        print(text, file=log, flush=True)

    begun = time.time()
    say(f"seed {args.seed}, {args.steps} steps of {args.tokens} positions, neutral voice weights {args.neutral}, device {args.device}, torch {torch.__version__}")
    tokenizer_path = args.out / "tokenizer.json"
    average = 105          # tokens a talk, a little under the true mean, so that there is always enough
    shard_count = max(2, math.ceil(args.steps * args.tokens / (average * SHARD)))
    shards = list(talks([args.seed * 1_000_000 + i for i in range(shard_count)], weights, tokenizer_path))
    seen_before = next(iter(talks([_VALIDATION_SEED], weights, tokenizer_path)))
    validation = list(batches([seen_before[:1024]], args.tokens, random.Random(0)))
    say(f"{shard_count * SHARD} talks, {sum(len(t[0]) for s in shards for t in s) / 1e6:.1f} M tokens, drawn in {time.time() - begun:.0f} s")

    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    model = Qwen2ForCausalLM(demo_config()).to(args.device)
    model.train()
    optimizer = optimizer_of(model, args.device)
    say(f"{sum(p.numel() for p in model.parameters())} parameters")
    begun, window = time.time(), []
    steps = args.steps
    for step, group in enumerate(batches(shards, args.tokens, random.Random(args.seed))):
        if step == 300 and args.seconds and (time.time() - begun) / step * steps > args.seconds:
            steps = int(args.seconds * step / (time.time() - begun))
            say(f"too slow for {args.seconds} s: {steps} steps")
        if step == steps:
            break
        for entry in optimizer.param_groups:
            entry["lr"] = rate(step, steps)
        loss = loss_of(model, *tensors(group, args.device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), _CLIP)
        optimizer.step()
        window.append(loss.detach())
        if (step + 1) % 100 == 0 or step + 1 == steps:
            say(f"step {step + 1}: loss {torch.stack(window).mean().item():.4f}, rate {rate(step, steps):.2e}, {time.time() - begun:.0f} s")
            window = []
    say(f"loss on unseen talks {validate(model, validation, args.device):.4f}")
    model = model.to(torch.bfloat16)
    model.generation_config = type(model.generation_config).from_pretrained(args.out)
    model.save_pretrained(args.out)
    say(f"loss on unseen talks as stored (bfloat16) {validate(model.float(), validation, args.device):.4f}")
    config = json.loads((args.out / "config.json").read_text())
    say(f"saved: {config['architectures'][0]}, {(args.out / 'model.safetensors').stat().st_size} bytes")


if __name__ == "__main__":
    main()
