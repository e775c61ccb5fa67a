"""Both sides of a comparison: our backend through state_probe, and transformers with Python hooks at the same sites."""

import json
import os
import shlex
import subprocess
from dataclasses import dataclass, field

import numpy as np
import torch

PROMPT, REPLY, ALL = 1, 2, 3  # spans


@dataclass
class Row:
    """Some new tokens of one conversation, and what is done to them."""

    ids: list
    row: int = 0
    begin: int = 0
    reply: list | None = None
    pushes: list = field(default_factory=list)
    probes: list = field(default_factory=list)
    gates: list = field(default_factory=list)
    gate_bits: int = 0
    planned: bool = True

    def request(self):
        made = {"row": self.row, "begin": self.begin, "ids": self.ids, "pushes": self.pushes, "planned": self.planned,
                "probes": sorted(self.probes, key=lambda p: p["site"]),
                "gates": sorted(self.gates, key=lambda g: g["site"]), "gate_bits": self.gate_bits}
        if self.reply is not None:
            made["reply"] = self.reply
        return made


@dataclass
class Outcome:
    """Of one row: logits [T or 1, V], states before and after the pushes [T, sites, H], readings in the probes' order."""

    logits: np.ndarray
    before: np.ndarray | None
    after: np.ndarray | None
    readings: list
    drawn: int | None = None
    gate_bits: list = field(default_factory=list)  # after each token


class StateProbe:
    def __init__(self, program, scratch, device="cpu"):
        self.device = device
        wrapper = shlex.split(os.environ.get("STEER_PROBE_WRAPPER", ""))  # compute-sanitizer and its options
        self.process = subprocess.Popen([*wrapper, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.scratch = scratch / "state_probe.bin"

    def ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"state_probe ended with {self.process.wait()}"
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def open(self, folder, dtype=1, reference=False, weights=0):
        """weights: what plain ones become while they are loaded; 0 as stored, 1 int8, 2 int4, 3 nf4."""
        self.shape = self.ask({"open": str(folder), "dtype": dtype, "device": self.device, "reference": reference,
                               "weights": weights})
        return self

    def begin(self, rows=1, length=256):
        self.ask({"begin": rows, "length": length})
        return self

    def run(self, rows, directions=(), logits="all", states=False, **draw):
        answer = self.answer = self.ask({**draw, "pass": [row.request() for row in rows],
                           "directions": [list(map(float, d)) for d in directions],
                           "logits": logits, "states": states, "out": str(self.scratch)})
        numbers = np.fromfile(self.scratch, dtype=np.float32)
        counts = [len(row.ids) for row in rows]
        vocab, sites, hidden = self.shape["vocab_size"], self.shape["layers"] + 1, self.shape["hidden_size"]
        wanted = counts if logits == "all" else [1] * len(rows)
        split = sum(wanted) * vocab
        all_logits = np.split(numbers[:split].reshape(-1, vocab), np.cumsum(wanted)[:-1])
        before = after = [None] * len(rows)
        if states:
            both = numbers[split:].reshape(2, sum(counts), sites, hidden)
            before, after = (np.split(part, np.cumsum(counts)[:-1]) for part in both)
        else:
            assert len(numbers) == split
        readings = self._readings(answer, rows)
        told = answer["gate_bits"]
        bits = [told[sum(counts[:i]) : sum(counts[: i + 1])] for i in range(len(rows))]
        return [Outcome(*parts) for parts in zip(all_logits, before, after, readings, answer["drawn"], bits, strict=True)]

    @staticmethod
    def _readings(answer, rows):
        """Back into the order in which the row gave its probes."""
        for row, told in zip(rows, answer["readings"], strict=True):
            order = sorted(range(len(row.probes)), key=lambda i: row.probes[i]["site"])
            back = [None] * len(order)
            for place, value in zip(order, told, strict=True):
                back[place] = value
            yield back

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)
        self.process.stdout.close()


# ---- transformers ---------------------------------------------------------------------------------------------------


def push_change(x, pushes, directions, reply, bits=None):
    """What the pushes of one site make of states x [T, H]: norm-keeping adds summed, plain adds summed, intervals jointly."""
    def total(kind):
        amount = torch.zeros_like(x)
        for push in pushes:
            if push["kind"] != kind or push["strength"] == 0.0:
                continue
            acts = torch.tensor([acts_on(push, r, bits, token) for token, r in enumerate(reply)])
            direction = torch.tensor(directions[push["direction"]], dtype=x.dtype)
            amount[acts] += push["strength"] * push.get("scale", 1.0) * direction
        return amount

    kept = x + total("add_keep_norm")
    kept = kept * (x.norm(dim=-1, keepdim=True) / kept.norm(dim=-1, keepdim=True))
    return hold(kept + total("add"), [push for push in pushes if push["kind"] == "interval"], directions, reply, bits)


def acts_on(push, speaks, bits, token):
    groups = push.get("groups", [])
    if token not in push.get("tokens", [token]):
        return False
    return bool(push.get("span", ALL) & (REPLY if speaks else PROMPT)) and (
        not groups or any(bits[token] & group == group for group in groups))


def hold(x, intervals, directions, reply, bits):
    """Each token's pins and bounds by the smallest change that meets all of them, in float64 and with numpy's lstsq."""
    held = x.clone()
    for token, speaks in enumerate(reply):
        acting = [push for push in intervals if push["strength"] != 0.0 and acts_on(push, speaks, bits, token)]
        if acting and x[token].any():
            held[token] = torch.tensor(hold_state(x[token].double().numpy(), acting, directions), dtype=x.dtype)
    return held


def hold_state(x, acting, directions):
    rows = np.array([np.asarray(directions[push["direction"]], np.float64) for push in acting])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    share = np.array([push["strength"] * push.get("scale", 1.0) for push in acting])
    low = np.array([-np.inf if push.get("low") is None else push["low"] for push in acting])
    high = np.array([np.inf if push.get("high") is None else push["high"] for push in acting])

    def targets(c):
        return c + share * (np.clip(c, low, high) - c)

    asking, target, now = low == high, targets(rows @ x), x
    while True:
        if asking.any():
            now = x + np.linalg.lstsq(rows[asking], target[asking] - rows[asking] @ x, rcond=None)[0]
        c = rows @ now
        fresh = ~asking & ((c < low) | (c > high))
        if not fresh.any():
            return now
        target = np.where(fresh, targets(c), target)
        asking |= fresh


def reading(probe, z, directions):
    """One gauge's value for a state z [H]."""
    v = torch.tensor(directions[probe["direction"]], dtype=z.dtype)
    dot = torch.dot(z, v).item()
    if probe["metric"] == "dot":
        return dot
    if probe["metric"] == "projection":
        return dot / v.norm().item()
    return dot / (max(z.norm().item(), 1e-6) * v.norm().item())


def next_state(gate, on, value):
    """A comparator with hysteresis."""
    if gate["below"]:
        return value <= gate["leave"] if on else value < gate["enter"]
    return value >= gate["leave"] if on else value > gate["enter"]


def read_gates(gates, z_of, directions, bits, bits_before):
    """Token after token: each gate's state follows from its reading and its state one token earlier."""
    for gate in gates:
        on = bool(bits_before >> gate["bit"] & 1)
        for token in range(len(bits)):
            on = next_state(gate, on, reading(gate, z_of(token, gate["own"]), directions))
            bits[token] |= on << gate["bit"]


def run_hooked(model, row, directions=()):
    """A whole conversation through transformers; hooks see and change what the embedding and every block put out."""
    reply = row.reply if row.reply is not None else [0] * len(row.ids)
    before, after, bits = [], [], [0] * len(row.ids)

    def gates_at(site, tap, z):
        def z_of(token, own):
            change = sum((after[i][token] - before[i][token] for i in range(len(after))), torch.zeros_like(z[token]))
            return z[token] - change if own else z[token]

        here = [gate for gate in row.gates if gate["site"] == site and gate["tap"] == tap]
        read_gates(here, z_of, directions, bits, row.gate_bits)

    def at_site(site):
        def hook(_module, _inputs, output):
            states = output[0] if isinstance(output, tuple) else output
            x = states[0]
            before.append(x.clone())
            gates_at(site, "before", x)
            pushes = [push for push in row.pushes if push["site"] == site]
            pushed = push_change(x, pushes, directions, reply, bits) if pushes else x
            after.append(pushed.clone())
            gates_at(site, "after", pushed)
            return (pushed[None], *output[1:]) if isinstance(output, tuple) else pushed[None]

        return hook

    modules = [model.model.embed_tokens, *model.model.layers]
    handles = [module.register_forward_hook(at_site(site - 1)) for site, module in enumerate(modules)]
    try:
        with torch.no_grad():
            logits = model(torch.tensor([row.ids])).logits[0]
    finally:
        for handle in handles:
            handle.remove()

    readings = []
    for probe in row.probes:
        at = probe["site"] + 1
        z = (before if probe["tap"] == "before" else after)[at][-1]
        if probe["own"]:
            upto = at if probe["tap"] == "before" else at + 1
            z = z - sum((after[i][-1] - before[i][-1] for i in range(upto)), torch.zeros_like(z))
        readings.append(reading(probe, z, directions))
    stacked = [torch.stack(states, 1).numpy() for states in (before, after)]
    return Outcome(logits.numpy(), *stacked, readings, gate_bits=bits)


def worst(ours, theirs):
    """The largest difference, as a share of the largest number of its own vector."""
    theirs = np.asarray(theirs, dtype=np.float64)
    scale = np.abs(theirs).max(axis=-1)
    return (np.abs(np.asarray(ours, dtype=np.float64) - theirs).max(axis=-1) / scale).max()
