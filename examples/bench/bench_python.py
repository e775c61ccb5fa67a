"""What Python costs a token beside the C loop: steer_bench and the package on the same model, prompt and tokens, in turns.

    ./run python examples/bench/bench_python.py [--write]

Overhead is what a token takes beyond the library's own step (`Step.milliseconds`), so that a busy machine, which makes steps
longer, does not hide it; tokens a second of all hosts are shown too. --write puts the table into docs/benchmarks.md.
"""
import argparse
import asyncio
import datetime
import os
import shlex
import statistics
import sys
import time
from pathlib import Path

import steer
from bench import ROOT, Runner, device_name, spread, write_docs
from make_checkpoint import SMALL, make_checkpoint

PROMPT = 64


def prompt_ids():
    return [300 + position * 7919 % 1009 for position in range(PROMPT)]  # as bench.c has them


async def listen(reply, times):
    async for step in reply:
        hear(step, times)


def hear(step, times):
    """What a host does with a step: its text and a gauge."""
    times.append(time.perf_counter())
    return step.text, step.gauge_at(0)


def speak(host, reply):
    """The times at which steps came; of `read`, which tells none, begin and end."""
    times = [time.perf_counter()]
    if host == "for":
        for step in reply:
            hear(step, times)
    elif host == "read":
        reply.read()
        times.append(time.perf_counter())
    else:
        asyncio.run(listen(reply, times))
    return times


def measure_python(model, host, tokens):
    """(microseconds of a token beyond the library's step, tokens a second)"""
    with model.session(context_max=PROMPT + tokens + 1) as session:
        session.set_generation(temperature=0.0, token_max=tokens, stop_tokens=[], model_defaults=False)
        reply = session.generate(prompt_ids())
        while reply.steps == []:  # the prompt and the first token
            next(reply)
        times = speak(host, reply)
    inside = [step.milliseconds / 1e3 for step in reply.steps[1:]]
    assert len(inside) == tokens - 1
    wall = times[-1] - times[0]
    if host == "read":
        return (wall - sum(inside)) / len(inside) * 1e6, len(inside) / wall
    beyond = [after - before - step for before, after, step in zip(times, times[1:], inside)]
    return statistics.median(beyond) * 1e6, len(inside) / wall  # of a step: what another process takes away now and then is not ours


HOSTS = {"C": "C: `steer_session_step`", "for": "Python: `for step in reply`", "read": "Python: `reply.read()`",
         "async": "Python: `async for step in reply`"}


def measure(folder, options):
    """{host: tokens a second of each run}, {host: microseconds beyond the library's step}"""
    model = steer.Model.from_pretrained(folder, device="cpu", dtype="f32")
    c_loop = Runner("libsteer", [options.program, folder, "cpu", "float32", options.threads])
    speeds, overheads = {host: [] for host in HOSTS}, {host: [] for host in HOSTS if host != "C"}
    for turn in range(options.runs + 1):  # the first warms caches and pools
        for host in HOSTS if turn % 2 else reversed(HOSTS):
            if host == "C":
                speed = c_loop.run("plain", PROMPT, options.tokens)["tokens_per_second"]
            else:
                overhead, speed = measure_python(model, host, options.tokens)
                overheads[host] += [overhead] if turn else []
            speeds[host] += [speed] if turn else []
    c_loop.close()
    return speeds, overheads


def table(results):
    lines = ["| model | host | tokens/s | beyond the library's step, µs a token |", "|---|---|---|---|"]
    for name, (speeds, overheads) in results.items():
        for host, words in HOSTS.items():
            lines.append(f"| {name} | {words} | {spread(speeds[host], 1)} | {spread(overheads[host], 1) if host in overheads else ''} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(prog="./run python examples/bench/bench_python.py", description=__doc__.split("\n\n")[0])
    parser.add_argument("--program", type=Path, default=Path(os.environ.get("STEER_BIN", ROOT / "build/release/bin")) / "steer_bench")
    parser.add_argument("--scratch", type=Path, default=ROOT / "build/bench", help=argparse.SUPPRESS)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    if not options.program.exists():
        sys.exit(f"bench: {options.program} is not there: ./run build makes it")
    steer.set_threads(options.threads, 1)
    demo = steer.demo_model_path()
    folders = {"random, 1.1 M": make_checkpoint(options.scratch, demo, "random-small", SMALL), "demo model, 7 M": demo}
    results = {name: measure(folder, options) for name, folder in folders.items()}
    command = shlex.join(["./run", "python", "examples/bench/bench_python.py", *sys.argv[1:]])
    text = (f"{device_name('cpu')}; {options.threads} thread{'s' if options.threads > 1 else ''}; {datetime.date.today()}; "
            f"Python {sys.version.split()[0]}; `{command}`\n\n"
            f"float32, greedy, {PROMPT} prompt tokens, {options.tokens} new ones, {options.runs} runs of each in turns: "
            f"median (least to most).\n\n" + table(results))
    print(text)
    if options.write:
        write_docs(text, "python")


if __name__ == "__main__":
    main()
