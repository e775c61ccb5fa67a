#!/usr/bin/env python3
"""The C door under valgrind's memcheck, with the fake backend: no error, no leak, no suppression.

    python3 tests/check_valgrind.py FOLDER_OF_PROGRAMS DEMO_MODEL     what takes a minute; STEER_VALGRIND=1: all of it
"""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SKIP = 77
MEMCHECK = ["valgrind", "--quiet", "--default-suppressions=no", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect,possible",
            "--show-leak-kinds=definite,indirect,possible", "--error-exitcode=99", "--fair-sched=yes",
            "--child-silent-after-fork=yes"]
# What goes wrong at the door, and threads at it; files as tags of their cases.
SHORT = ["-#", "[#test_misuse],[#test_misuse_handles],[#test_misuse_values],[#test_misuse_sizes],[#test_misuse_callbacks],[#test_threads]"]


def main():
    programs, demo = Path(sys.argv[1]), Path(sys.argv[2])
    if not shutil.which("valgrind"):
        print("SKIP: valgrind is not installed")
        return SKIP
    all_of_it = os.environ.get("STEER_VALGRIND") == "1"
    with tempfile.TemporaryDirectory() as scratch:
        runs = [["test_hpp"], ["test_api"] + ([] if all_of_it else SHORT)]
        if all_of_it:
            runs.append(["c_tour_fake", demo / "model", demo / "vectors/gyaru.safetensors", scratch])
        failed = 0
        for program, *arguments in runs:
            command = [*MEMCHECK, programs / program, *arguments]
            print("$", *command, flush=True)
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
            print(done.stdout[-4000:])
            failed += done.returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
