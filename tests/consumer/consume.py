#!/usr/bin/env python3
"""Installs libsteer into an empty folder, moves that folder, and builds hosts against it: the C program of README.md, taken
out of it word for word, with pkg-config and with CMake, the C++ program of docs/embedding.md likewise, and two that need no
weights. Then runs them.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SKIP = 77


def run(*command, **keywords):
    print("$", *command, flush=True)
    return subprocess.run([str(word) for word in command], check=True, **keywords)


def program_of(page, language, header):
    """The one block of code in a page that is a whole program."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    programs = [block for block in blocks if f"#include <steer/{header}>" in block and "int main" in block]
    if len(programs) != 1:
        sys.exit(f"{page} should hold one program with {header}; it holds {len(programs)}")
    return programs[0]


def main():
    parser = argparse.ArgumentParser()
    for name in ("build", "source", "work", "cmake", "cc", "cxx", "libdir"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--backend", action="store_true", help="libsteer_torch was built: replies can be computed")
    options = parser.parse_args()
    source, work = Path(options.source), Path(options.work)
    if not shutil.which("pkg-config"):
        print("SKIP: pkg-config is not installed")
        return SKIP

    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    run(options.cmake, "--install", options.build, "--prefix", work / "first", stdout=subprocess.DEVNULL)
    prefix = work / "moved"
    (work / "first").rename(prefix)  # what is installed must not remember where

    talk = work / "talk.c"
    talk.write_text(program_of(source / "README.md", "c", "steer.h"), encoding="utf-8")
    frame = work / "frame.cpp"
    frame.write_text(program_of(source / "docs/embedding.md", "cpp", "steer.hpp"), encoding="utf-8")

    environment = {**os.environ, "PKG_CONFIG_PATH": str(prefix / options.libdir / "pkgconfig")}
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "steer"], env=environment, check=True, capture_output=True,
                           text=True).stdout.split()
    run(options.cc, "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", talk, "-o", work / "talk", *flags,
        f"-Wl,-rpath,{prefix / options.libdir}")

    run(options.cmake, "-S", source / "tests/consumer/project", "-B", work / "host", "-G", "Ninja",
        f"-DCMAKE_PREFIX_PATH={prefix}", f"-DTALK_SOURCE={talk}", f"-DFRAME_SOURCE={frame}",
        f"-DCMAKE_C_COMPILER={options.cc}", f"-DCMAKE_CXX_COMPILER={options.cxx}", stdout=subprocess.DEVNULL)
    run(options.cmake, "--build", work / "host", stdout=subprocess.DEVNULL)

    model = prefix / "share/steer/demo_model"
    if not (model / "config.json").exists():
        print("SKIP: built, but not run: the demo model is not in this tree")
        return SKIP
    run(work / "host/look", model)
    run(work / "host/look_hpp", model)
    if options.backend:
        vectors = sorted(path for path in model.rglob("*.safetensors") if not path.name.startswith("model"))
        if not vectors:
            sys.exit(f"no persona vector was installed in {model}")
        for program in (work / "talk", work / "host/talk", work / "host/frame"):
            said = run(program, model, vectors[0], stdout=subprocess.PIPE).stdout.decode("utf-8")  # must be whole characters
            print(said)
            if not re.search(r"\w{2}.*\n\[persona [+-]\d\.\d+\]\n$", said, flags=re.DOTALL):
                sys.exit(f"{program}: no reply with a gauge value")
    return 0


if __name__ == "__main__":
    sys.exit(main())
