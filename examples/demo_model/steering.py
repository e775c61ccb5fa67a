"""Plain PyTorch yard-stick for libsteer: capture and push the residual stream with forward hooks, sample, compare distributions.

Site k is the output of decoder block k. A push is a table {site: [rows, hidden]}, added at every position of its row.
"""
import contextlib
import json
import pathlib

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

END_IDS = (4095, 4093)
_PAD = 4093


def load(folder, device):
    """Weights as stored (bfloat16), arithmetic in float32."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device).eval()
    return model, tokenizer


def read_jsonl(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines()]


def encode(tokenizer, system, prompt, reply=None):
    """Token ids of one passage, with the number of tokens before the reply."""
    def ids(messages, header):
        return tokenizer(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=header), add_special_tokens=False)["input_ids"]
    messages = ([{"role": "system", "content": system}] if system else []) + [{"role": "user", "content": prompt}]
    head = ids(messages, True)
    if reply is None:
        return head, len(head)
    return head + tokenizer(reply, add_special_tokens=False)["input_ids"], len(head)


@contextlib.contextmanager
def pushed(model, push):
    """Adds push[site][row] to the output of every block named, while inside."""
    def hook_for(rows):
        def hook(_, __, output):
            state = (output[0] if isinstance(output, tuple) else output) + rows[:, None, :]
            return (state, *output[1:]) if isinstance(output, tuple) else state
        return hook
    handles = [model.model.layers[site].register_forward_hook(hook_for(rows)) for site, rows in (push or {}).items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextlib.contextmanager
def captured(model):
    """Collects the output of every block of the next forward pass: a list by site of [rows, positions, hidden]."""
    states = [None] * len(model.model.layers)
    def hook_for(site):
        def hook(_, __, output):
            states[site] = output[0] if isinstance(output, tuple) else output
        return hook
    handles = [layer.register_forward_hook(hook_for(site)) for site, layer in enumerate(model.model.layers)]
    try:
        yield states
    finally:
        for handle in handles:
            handle.remove()


def padded(rows, device, left=False):
    width = max(map(len, rows))
    ids, mask = torch.full((len(rows), width), _PAD), torch.zeros((len(rows), width), dtype=torch.long)
    for index, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        ids[index, place], mask[index, place] = torch.tensor(row), 1
    return ids.to(device), mask.to(device)


def choose(logits, temperature, top_p, noise):
    """Greedy at temperature 0; else the largest of log-probability plus Gumbel noise among the smallest set that holds top_p."""
    if temperature == 0:
        return logits.argmax(-1)
    logits = logits / temperature
    ordered, order = logits.sort(-1, descending=True)
    share = ordered.softmax(-1)
    kept = share.cumsum(-1) - share < top_p
    allowed = torch.zeros_like(kept).scatter(-1, order, kept)
    return (logits + noise).masked_fill(~allowed, -torch.inf).argmax(-1)


@torch.no_grad()
def sample(model, prompts, push=None, temperature=0.7, top_p=0.9, seed=0, repeat=1, limit=96):
    """Replies (token ids without the end mark) and whether each ended. The rows are `repeat` copies of the same prompts, copy by copy
    (say, one for every strength); the copies draw with equal noise."""
    device = model.device
    ids, mask = padded(prompts, device, left=True)
    random = torch.Generator(device="cpu").manual_seed(seed)
    cache, position = DynamicCache(config=model.config), (mask.cumsum(-1) - 1).clamp(min=0)
    done, out = torch.zeros(len(prompts), dtype=torch.bool, device=device), []
    ends = torch.tensor(END_IDS, device=device)
    with pushed(model, push):
        for _ in range(limit):
            logits = model(input_ids=ids, attention_mask=mask, position_ids=position, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1].float()
            uniform = torch.rand((len(prompts) // repeat, logits.shape[-1]), generator=random).clamp_(1e-20, 1 - 1e-7)
            noise = (-(-uniform.log()).log()).to(device).repeat(repeat, 1)
            token = choose(logits, temperature, top_p, noise).masked_fill(done, _PAD)
            done |= torch.isin(token, ends)
            out.append(token)
            if bool(done.all()):
                break
            ids, position = token[:, None], position[:, -1:] + 1
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
    rows = torch.stack(out, 1).tolist()
    replies = [row[:next((i for i, t in enumerate(row) if t in END_IDS), len(row))] for row in rows]
    return replies, [bool(flag) for flag in done.tolist()]


@torch.no_grad()
def compare(model, prompts, replies, push, chunk=128):
    """For every row: mean negative log-likelihood of the reply under the unpushed model, and KL(pushed || unpushed) of each token."""
    losses, divergences = [], []
    for first in range(0, len(prompts), chunk):
        part = slice(first, first + chunk)
        ids, _ = padded([p + r + [END_IDS[0]] for p, r in zip(prompts[part], replies[part])], model.device)
        base = model(input_ids=ids).logits.float().log_softmax(-1)
        with pushed(model, {site: rows[part] for site, rows in (push or {}).items()}):
            steered = model(input_ids=ids).logits.float().log_softmax(-1) if push else base
        kl = (steered.exp() * (steered - base)).sum(-1)
        for row, (prompt, reply) in enumerate(zip(prompts[part], replies[part])):
            span = slice(len(prompt) - 1, len(prompt) + len(reply))
            chosen = ids[row, len(prompt):len(prompt) + len(reply) + 1]
            losses.append(-float(base[row, span].gather(-1, chosen[:, None]).mean()))
            divergences.append(kl[row, span].cpu())
    return losses, divergences


@torch.no_grad()
def pooled(model, tokenizer, passages, pooling, chunk=128):
    """[passages, sites, hidden]: the mean state over the reply, over the user's tokens, or at the last prompt token."""
    found = []
    for first in range(0, len(passages), chunk):
        rows, spans = [], []
        for system, prompt, reply in passages[first:first + chunk]:
            ids, head = encode(tokenizer, system, prompt, reply)
            words = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
            tail = len(tokenizer("<|im_end|>\n<|im_start|>assistant\n", add_special_tokens=False)["input_ids"])
            rows.append(ids)
            spans.append({"reply": slice(head, len(ids)), "user": slice(head - tail - words, head - tail), "last": slice(head - 1, head)}[pooling])
        ids, mask = padded(rows, model.device)
        with captured(model) as states:
            model.model(input_ids=ids, attention_mask=mask, use_cache=False)
        found.append(torch.stack([torch.stack([site[row, span].mean(0) for site in states]) for row, span in enumerate(spans)]).cpu())
    return torch.cat(found)


def mean_difference(model, tokenizer, pairs, pooling):
    """[sites, hidden]. Reply rows: one system prompt, two replies. User and last rows: two system prompts, one question."""
    if pooling == "reply":
        sides = [[(p["system"], p["prompt"], p[side]) for p in pairs] for side in ("positive", "negative")]
    else:
        sides = [[(p["system_" + side], p["prompt"], p[side]) for p in pairs] for side in ("positive", "negative")]
    positive, negative = (pooled(model, tokenizer, side, pooling) for side in sides)
    return (positive - negative).mean(0)


@torch.no_grad()
def typical_norms(model, tokenizer, pairs, chunk=128):
    """Median length of the stream at every site over the tokens of neutral replies."""
    norms = [[] for _ in model.model.layers]
    for first in range(0, len(pairs), chunk):
        rows = [encode(tokenizer, p["system"], p["prompt"], p["negative"]) for p in pairs[first:first + chunk]]
        ids, mask = padded([ids for ids, _ in rows], model.device)
        with captured(model) as states:
            model.model(input_ids=ids, attention_mask=mask, use_cache=False)
        for site, state in enumerate(states):
            norms[site] += [state[row, head:len(ids_)].norm(dim=-1) for row, (ids_, head) in enumerate(rows)]
    return torch.stack([torch.cat(site).median() for site in norms]).cpu()
