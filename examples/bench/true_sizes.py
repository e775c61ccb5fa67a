"""Tokens a second at the sizes of real models, on weights made on the device: nothing is read from a disk.

    ./run bench --device cuda:0 --sizes 0.5B,7B,32B [--weights as_stored,int4] [--peer transformers] [--json FILE] [--write]

The program device_bench drives libsteer's backend, below the C door. The device's own ceilings are measured first; runs with
and without steering take turns.
"""
import json
import statistics
import sys
from pathlib import Path

from program import Program

HERE = Path(__file__).resolve().parent
# layers, hidden, feed-forward, heads, key heads, head size, vocabulary, tied head, Qwen3
SIZES = {
    "0.5B": (24, 896, 4864, 14, 2, 64, 151936, True, False),
    "1.5B": (28, 1536, 8960, 12, 2, 128, 151936, True, False),
    "7B": (28, 3584, 18944, 28, 4, 128, 152064, False, False),
    "14B": (48, 5120, 13824, 40, 8, 128, 152064, False, False),
    "32B": (64, 5120, 27648, 40, 8, 128, 152064, False, False),
    "Qwen3-4B": (36, 2560, 9728, 32, 8, 128, 151936, True, True),
    "Qwen3-8B": (36, 4096, 12288, 32, 8, 128, 151936, False, True),
}
KEYS = ("layers", "hidden", "ffn", "heads", "kv_heads", "head_dim", "vocab", "tied", "qwen3")
STEERS = ("off", "all+4")
CACHE_BYTES = 2 * 2  # of a key and a value component in bf16


def speeds_in_turns(program, shape, runs, steps):
    """Steps a second of each run, with and without steering in turns."""
    speeds = {kind: [] for kind in STEERS}
    for _ in range(runs):
        for kind in STEERS:
            times = program.ask(json.dumps({**shape, "steer": kind, "steps": steps + 4}))["wall_ms"][4:]  # the first warm up
            speeds[kind].append(1e3 / statistics.median(times))
    return speeds


def row(size, weights, engine, shape, steer, speeds, bytes_per_step, ceiling):
    median = statistics.median(speeds)
    return {"model": size, "weights": "bf16" if weights == "as_stored" else weights, "phase": "decode", "batch": shape["rows"], "context": shape["context"], "steer": steer,
            "engine": engine, "tokens_per_second": round(median * shape["rows"], 2),
            "spread": [round(min(speeds) * shape["rows"], 2), round(max(speeds) * shape["rows"], 2)],
            "share_of_ceiling": round(bytes_per_step * median / (ceiling * 1e9), 4)}


def step_bytes(size, weight_bytes, shape):
    layers, kv_heads, head_dim = (SIZES[size][i] for i in (0, 4, 5))
    return weight_bytes + CACHE_BYTES * layers * kv_heads * head_dim * shape["context"] * shape["rows"]


def measure(size, weights, options, ceiling):
    model = dict(zip(KEYS, SIZES[size]))
    made, engines = [], [("libsteer", [options.device_program])]
    if options.peer == "transformers" and weights == "as_stored":
        engines.append(("transformers", [sys.executable, "-B", HERE / "peer_true_size.py"]))
    for engine, command in engines:
        program = Program(engine, command)
        weight_bytes = program.ask(json.dumps({"model": model, "weights": weights}))["bytes_per_token"]
        ours = engine == "libsteer"
        shapes = [{"context": context, "rows": batch} for context in options.contexts for batch in options.batches]
        for shape in shapes if ours else [{"context": 128, "rows": 1}]:
            speeds = speeds_in_turns(program, shape, options.runs, options.steps if ours else options.steps // 2)
            for steer in STEERS:
                made.append(row(size, weights, engine, shape, steer, speeds[steer], step_bytes(size, weight_bytes, shape), ceiling))
                print("bench: {model} {weights}, {engine}, {steer}, batch {batch}, context {context}: {tokens_per_second} tokens/s, "
                      "{share_of_ceiling:.1%} of the ceiling".format(**made[-1]), file=sys.stderr)
        program.close()
    return made


def table(result):
    lines = [f"Read bandwidth {result['ceiling_gb_s']:.0f} GB/s, bf16 matrix product {result['matmul_tflop_s']:.0f} TFLOP/s, an empty kernel in a "
             f"graph {result['graph_gap_us']:.2f} us, {result['graph_gap_overlapping_us']:.2f} us where it may overlap with its neighbours.", "",
             "| model | weights | host | batch | context | tokens/s, no steering | share of the ceiling | tokens/s, push at every layer + 4 gauges | steering costs |",
             "|---|---|---|---|---|---|---|---|---|"]
    rows = {(r["model"], r["weights"], r["engine"], r["batch"], r["context"], r["steer"]): r for r in result["rows"]}
    for (model, weights, engine, batch, context, steer), plain in rows.items():
        if steer != "off":
            continue
        steered = rows[model, weights, engine, batch, context, "all+4"]

        def speed(r):
            return "{0:.1f} ({1[0]:.1f} to {1[1]:.1f})".format(r["tokens_per_second"], r["spread"])

        cost = 100 * (plain["tokens_per_second"] / steered["tokens_per_second"] - 1)
        lines.append(f"| {model} | {weights} | {engine} | {batch} | {context} | {speed(plain)} | {plain['share_of_ceiling']:.1%} | {speed(steered)} | {cost:.1f} % |")
    return "\n".join(lines) + "\n"


def run(options, device):
    program = Program("libsteer", [options.device_program])
    ceilings = program.ask(json.dumps({"ceilings": True}))
    program.close()
    rows = [row for size in options.sizes for weights in options.weights or ["as_stored"]
            for row in measure(size, weights, options, ceilings["read_gb_s"])]
    return {"device": device, "ceiling_gb_s": round(ceilings["read_gb_s"], 1), "matmul_tflop_s": round(ceilings["matmul_tflop_s"], 1),
            "graph_gap_us": round(ceilings["empty_kernel_us"], 3), "graph_gap_overlapping_us": round(ceilings["empty_kernel_overlapping_us"], 3),
            "rows": rows}
