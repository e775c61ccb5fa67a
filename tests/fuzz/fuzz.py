#!/usr/bin/env python3
"""Runs the fuzzers one after the other, each from its seeds and what earlier runs have found, and reports.

    fuzz.py --program build/fuzz/bin/steer_fuzz --work build/fuzz [--seconds 60] [--junit FILE] [TARGET ...]

Per target: executions, how many a second, edges of the code reached, and after how much of the run the last new edge came.
What it finds lies in WORK/finds/TARGET; the same input is read again with: steer_fuzz --target=TARGET FILE
"""
import argparse
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as tree

HERE = pathlib.Path(__file__).resolve().parent
LARGEST = {"tokenizer_json": 16384, "template": 2048, "text": 1024, "api": 512, "chat": 2048, "config": 1024,
           "quant_config": 1024, "quant_state": 1024, "generation_config": 1024, "tokenizer_config": 2048, "shard_index": 1024}


def targets(program):
    return subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout.split()


def command(program, target, work, seconds):
    corpus, seeds, finds = (work / name / target for name in ("corpus", "seeds", "finds"))
    for folder in (corpus, seeds, finds):
        folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([program, f"--target={target}", f"--seeds={seeds}"], check=True)
    dictionary = HERE / "dictionaries" / f"{target}.dict"
    return [program, f"--target={target}", corpus, seeds, f"-max_total_time={seconds}", f"-artifact_prefix={finds}/",
            f"-max_len={LARGEST.get(target, 4096)}", "-timeout=10", "-rss_limit_mb=2048", "-malloc_limit_mb=64",
            "-print_final_stats=1", "-use_value_profile=0"] + ([f"-dict={dictionary}"] if dictionary.exists() else [])


def figures(log):
    executions = re.findall(r"stat::number_of_executed_units: *(\d+)", log)
    progress = [(int(number), int(edges)) for number, edges in re.findall(r"^#(\d+)\t.* cov: (\d+) ", log, re.MULTILINE)]
    total = int(executions[0]) if executions else max((number for number, _ in progress), default=0)
    edges = max((edges for _, edges in progress), default=0)
    last = next((number for number, seen in progress if seen == edges), 0)
    return total, edges, 100 * last // max(total, 1)


def run(program, target, work, seconds):
    begin = time.monotonic()
    done = subprocess.run([str(part) for part in command(program, target, work, seconds)], capture_output=True, text=True,
                          errors="replace")
    (work / "logs").mkdir(exist_ok=True)
    log = work / "logs" / f"{target}.log"
    log.write_text(done.stderr + done.stdout, encoding="utf-8")
    passed = time.monotonic() - begin
    executions, edges, last = figures(done.stderr)
    words = f"{target:18} {executions:>11,} executions {executions / max(passed, 1e-9):>8,.0f}/s {edges:>6} edges, the last after {last:>2} %"
    fault = "" if done.returncode == 0 and executions > 0 else f"see {log}: " + find_of(done.stderr)
    print(words + ("" if not fault else "  FOUND: " + fault), flush=True)
    return fault, passed


def find_of(log):
    told = re.findall(r"what\(\): .*|SUMMARY: .*|Test unit written to .*", log)
    return "; ".join(told[:3])[:400] or log.strip()[-400:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--junit", type=pathlib.Path)
    parser.add_argument("targets", nargs="*")
    wanted = parser.parse_args()
    known = targets(wanted.program)
    for name in wanted.targets:
        if name not in known:
            sys.exit(f"there is no target {name}: {' '.join(known)}")
    suite, failures = tree.Element("testsuite", name="fuzz"), 0
    for name in wanted.targets or known:
        fault, passed = run(wanted.program, name, wanted.work, wanted.seconds)
        case = tree.SubElement(suite, "testcase", name=name, time=f"{passed:.1f}")
        if fault:
            failures += 1
            tree.SubElement(case, "failure", message=fault)
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(failures))
    if wanted.junit:
        tree.ElementTree(suite).write(wanted.junit)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
