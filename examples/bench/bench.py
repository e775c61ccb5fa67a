"""Tokens a second of libsteer through its C door, next to a peer on the same weights in the same run.

Runs of both take turns, so that a busy minute of the machine hits all alike; shown are medians and the spread.
"""
import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

from program import Program

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
KINDS = ("plain", "steered")


class Runner(Program):
    """A program that says what it is, then answers `run KIND PROMPT TOKENS`."""

    def __init__(self, name, command):
        super().__init__(name, command)
        self.about = self.read()

    def run(self, kind, prompt, tokens):
        return self.ask(f"run {kind} {prompt} {tokens}")


def device_name(device):
    if device.startswith("cuda"):
        words = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader", "-i", device.partition(":")[2] or "0"]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = re.findall(r"model name\s*:\s*(.+)", file.read())
    return f"{names[0] if names else platform.machine()}, {len(os.sched_getaffinity(0))} cores"


def real_vocabulary(folder):
    """Ids that the tokenizer knows; what lies beyond is padding, which is never sampled."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    return max(list(tokenizer["model"]["vocab"].values()) + [token["id"] for token in tokenizer["added_tokens"]]) + 1


def dtype_of(options):
    return options.dtype or ("bfloat16" if options.device.startswith("cuda") else "float32")


def measure(folder, options, weights):
    dtype = dtype_of(options)
    runners = [Runner("libsteer", [options.program, folder, options.device, dtype, options.threads, weights])]
    if options.peer == "transformers":
        runners.append(Runner("transformers", [sys.executable, HERE / "peer_transformers.py", folder, options.device, dtype,
                                               options.threads, real_vocabulary(folder)]))
    results = {(runner.name, kind): [] for runner in runners for kind in KINDS}
    for runner in runners:
        for kind in KINDS:
            runner.run(kind, options.prompt, min(options.tokens, 8))  # warm caches and thread pools; not counted
    for turn in range(options.runs):
        for runner in runners if turn % 2 == 0 else reversed(runners):
            for kind in KINDS:
                results[runner.name, kind].append(runner.run(kind, options.prompt, options.tokens))
                print(f"bench: {folder.name}, run {turn + 1} of {options.runs}, {runner.name} {kind}: "
                      f"{results[runner.name, kind][-1]['tokens_per_second']:.1f} tokens/s", file=sys.stderr)
    abouts = {runner.name: runner.about for runner in runners}
    for runner in runners:
        runner.close()
    return {"model": folder.name, "dtype": dtype, "weights": weights, "about": abouts,
            "runs": {f"{name} {kind}": values for (name, kind), values in results.items()}}


def agreement(result, kind):
    """How many tokens of the first run both sides chose alike, from the start on."""
    ours = result["runs"][f"libsteer {kind}"][0]["tokens"]
    peer = result["runs"][f"transformers {kind}"][0]["tokens"]
    same = next((i for i, pair in enumerate(zip(ours, peer)) if pair[0] != pair[1]), len(ours))
    return f"{same} of {len(ours)}"


def spread(values, digits):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def table(results, options):
    lines = ["| model | host | tokens/s, no steering | tokens/s, push at every layer + 4 gauges | prompt tokens/s | first token ms |",
             "|---|---|---|---|---|---|"]
    notes = []
    for result in results:
        speeds, packed = {}, "" if result["weights"] == "as_stored" else f", {result['weights']} weights"
        for name in ("libsteer", "transformers"):
            if f"{name} plain" not in result["runs"]:
                continue
            runs = {kind: result["runs"][f"{name} {kind}"] for kind in KINDS}
            speed = {kind: [run["tokens_per_second"] for run in runs[kind]] for kind in KINDS}
            speeds[name] = {kind: statistics.median(speed[kind]) for kind in KINDS}
            first = [run["first_token_ms"] for run in runs["steered"]]
            prompt = [options.prompt / ms * 1e3 for ms in first]
            lines.append(f"| {result['model']}, {result['dtype']}{packed if name == 'libsteer' else ''} | {name} | {spread(speed['plain'], 1)} | {spread(speed['steered'], 1)} | "
                         f"{spread(prompt, 0)} | {spread(first, 1)} |")
        cost = 100 * (1 - speeds["libsteer"]["steered"] / speeds["libsteer"]["plain"])
        note = f"{result['model']}{packed}: steering and gauges cost libsteer {cost:.1f} % of its speed"
        if "transformers" in speeds:
            times = {kind: speeds["libsteer"][kind] / speeds["transformers"][kind] for kind in KINDS}
            note += (f"; it makes {times['plain']:.2f} times the tokens of transformers without and {times['steered']:.2f} times with steering; "
                     f"same greedy tokens from the start: {agreement(result, 'plain')} without, {agreement(result, 'steered')} with")
        notes.append(f"- {note}.")
    return "\n".join(lines) + "\n\n" + "\n".join(notes) + "\n"


def report(results, options):
    return (f"{heading_line(options)}\n\n"
            f"Greedy, {options.prompt} prompt tokens, {options.tokens} new ones, {options.runs} runs of each in turns: median (least to most).\n\n"
            + table(results, options))


def measure_sizes(options):
    import true_sizes
    unknown = [size for size in options.sizes if size not in true_sizes.SIZES]
    if unknown or not options.device.startswith("cuda"):
        sys.exit(f"bench: --sizes takes some of {', '.join(true_sizes.SIZES)}, and a CUDA --device")
    options.device_program = options.program.with_name("device_bench")
    result = true_sizes.run(options, device_name(options.device))
    text = f"{heading_line(options)}\n\n{true_sizes.table(result)}"
    print(text)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    if options.write:
        write_docs(text, "sizes")


def measure_quality(options):
    import quality
    rows, words = quality.run(options, dtype_of(options))
    text = f"{heading_line(options)}\n\n{words}\n\n{quality.table(rows)}"
    print(text)
    if options.json:
        options.json.write_text(json.dumps({"device": device_name(options.device), "text": words, "rows": rows}, indent=1), encoding="utf-8")
    if options.write:
        write_docs(text, "quality", "quantised_weights.md")


def heading_line(options):
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers"))
    command = shlex.join(["./run", "bench", *options.arguments])
    return f"{device_name(options.device)}; {options.threads} threads; {datetime.date.today()}; {versions}; `{command}`"


def write_docs(text, heading, page="benchmarks.md"):
    """Replaces the part between this heading's marks in a page of docs/."""
    path = ROOT / "docs" / page
    begin, end = f"<!-- bench {heading} -->", f"<!-- end {heading} -->"
    old = path.read_text(encoding="utf-8")
    if begin not in old:
        sys.exit(f"bench: {path} has no place for it: {begin}")
    before, rest = old.split(begin, 1)
    path.write_text(f"{before}{begin}\n{text}{end}{rest.split(end, 1)[1]}", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__.split("\n\n")[0])
    parser.add_argument("--program", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--scratch", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, action="append", metavar="FOLDER",
                        help="may be repeated; default: the demo model and random weights of Qwen2.5-0.5B's shape")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), help="default: float32 on a CPU, else bfloat16")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--prompt", type=int, default=128, help="prompt tokens")
    parser.add_argument("--tokens", type=int, default=64, help="new tokens")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peer", choices=("transformers", "none"), default="transformers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every run, for a closer look")
    listed = lambda kind: lambda words: [kind(word) for word in words.split(",")]
    parser.add_argument("--sizes", type=listed(str), metavar="0.5B,7B,..", help="on a CUDA device: true sizes with weights made there instead "
                        "(true_sizes.py); then --runs, --steps, --batches and --contexts count, and --json has their rows")
    parser.add_argument("--steps", type=int, default=48, help="tokens of a run, with --sizes")
    parser.add_argument("--batches", type=listed(int), default=[1], metavar="1,2,..")
    parser.add_argument("--contexts", type=listed(int), default=[128], metavar="128,4096,..")
    parser.add_argument("--weights", type=listed(str), metavar="int8,int4,nf4", help="how libsteer packs the weights while it loads them; several: "
                        "one after the other; default: as_stored, with --quality int8,int4,nf4")
    parser.add_argument("--quality", type=Path, metavar="FOLDER", help="instead of speed: what packed weights change in what a model says (quality.py)")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="with --quality: the reference, where FOLDER is quantised already")
    parser.add_argument("--text", type=Path, metavar="FILE", help="with --quality: what is read; default: README.md, for the demo model talks of its own")
    parser.add_argument("--window", type=int, default=512, help="with --quality: tokens of a piece of the text")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md, with --quality docs/quantised_weights.md")
    options = parser.parse_args()
    hidden = {"--program", "--scratch"}
    words = sys.argv[1:]
    options.arguments = [Path(w).name if i > 0 and words[i - 1] == "--json" else w for i, w in enumerate(words)
                         if w not in hidden and (i == 0 or words[i - 1] not in hidden)]
    unknown = set(options.weights or []) - {"as_stored", "int8", "int4", "nf4"}
    if unknown:
        sys.exit(f"bench: --weights takes some of as_stored, int8, int4, nf4, not {', '.join(sorted(unknown))}")
    if options.quality:
        return measure_quality(options)
    if options.sizes:
        return measure_sizes(options)
    folders = options.model
    if not folders:
        from make_checkpoint import make_checkpoint
        folders = [ROOT / "examples/demo_model/model", make_checkpoint(options.scratch, ROOT / "examples/demo_model/model")]
    results = [measure(folder.resolve(), options, weights) for folder in folders for weights in options.weights or ["as_stored"]]
    text = report(results, options)
    print(text)
    if options.json:
        options.json.write_text(json.dumps({"device": device_name(options.device), "results": results}, indent=1), encoding="utf-8")
    if options.write:
        write_docs(text, "cuda" if options.device.startswith("cuda") else "cpu")


if __name__ == "__main__":
    main()
