#!/usr/bin/env python3
"""What a reader of the sources relies on: who includes whom, where exceptions end, no paths of one machine, small files.

    python3 tests/check_sources.py [REPOSITORY]
"""
import re
import sys
from pathlib import Path

# docs/architecture.md, "Who may include whom": data flows one way. A folder may always include itself and steer/steer.h.
MAY_INCLUDE = {
    "files": set(),
    "text": {"files"},
    "steer": {"files"},
    "model": {"files", "steer"},
    # Plain memory only: what is drawn, what is read and pushed, the 16-bit formats.
    "kernels": {"model/sampling.h", "model/backend.h", "steer/plan.h", "steer/comparator.h", "files/float16.h"},
    "run": {"files", "text", "steer", "model"},
    "fake": {"files", "steer", "model", "kernels"},
    "torch": {"files", "steer", "model", "kernels"},
    "api": {"files", "text", "steer", "model", "run"},
}
# Exceptions end at the C door. Elsewhere a catch is an exception to a rule, and stands here with its reason.
MAY_CATCH = {
    "src/api/": "the door itself",
    "src/run/": "a failure in a batch is that row's own, so it is kept per row; a host's log function that throws",
    "src/torch/torch_errors.h": "libtorch's exceptions become steer::Error",
    "src/torch/backend.cpp": "giving memory back at the end must not throw: a lost device has none",
    "src/files/json.cpp": "the JSON parser's exceptions become steer::Error",
}
MAY_EXTERN_C = {"src/api/": "the C interface", "src/torch/entry.cpp": "the one symbol of the backend library"}

LINE_LIMIT = 400
SOURCE = {".c", ".cpp", ".h", ".hpp", ".cu", ".cuh"}
TEXT = SOURCE | {".py", ".cmake", ".txt", ".md", ".sh", ".in", ".yml", ".yaml", ".cs"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|work|Users|mnt|scratch)/[\w.]+")


def without_comments(text):
    keep_lines = lambda match: re.sub(r"[^\n]", " ", match.group())
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"',
                  lambda m: m.group() if m.group().startswith('"') else keep_lines(m), text, flags=re.DOTALL)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def check_includes(root, path, text, say):
    """The allowed graph of src/; outside of it nothing but the public header."""
    relative = path.relative_to(root)
    folder = relative.parts[1] if relative.parts[0] == "src" and len(relative.parts) > 2 else None
    for match in INCLUDE.finditer(text):
        quoted, name = match.group(1) == '"', match.group(2)
        where = f"{relative}:{line_of(text, match.start())}"
        if name.startswith("steer/") and name in ("steer/steer.h", "steer/steer.hpp"):
            continue
        parts = name.split("/")
        ours = len(parts) > 1 and parts[0] in MAY_INCLUDE and (root / "src" / name).exists()
        if relative.parts[0] in ("examples", "bindings"):
            if ours or ".." in parts:
                say(f"{where}: includes {name}; a host sees include/steer only")
        elif folder and quoted:
            if folder not in MAY_INCLUDE:
                say(f"{where}: the folder src/{folder} is not in the graph of tests/check_sources.py")
            elif ours and parts[0] != folder and parts[0] not in MAY_INCLUDE[folder] and name not in MAY_INCLUDE[folder]:
                say(f"{where}: src/{folder} may not include {name}")
            elif not ours and len(parts) > 1 and parts[0] in MAY_INCLUDE:
                say(f"{where}: {name} does not exist")
            elif ".." in parts:
                say(f"{where}: includes are written from src/, not {name}")


def check_exceptions(root, path, text, say):
    relative = str(path.relative_to(root))
    if not relative.startswith("src/"):
        return
    code = without_comments(text)
    for pattern, allowed, words in ((r"\bcatch\s*\(", MAY_CATCH, "catches"),
                                    (r'\bextern\s+"C"', MAY_EXTERN_C, 'has extern "C"')):
        if not any(relative.startswith(prefix) for prefix in allowed):
            for match in re.finditer(pattern, code):
                say(f"{relative}:{line_of(code, match.start())}: {words}; that belongs into {', '.join(allowed)}")


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent).resolve()
    faults, long_files, seen = [], [], 0
    folders = [root / name for name in ("include", "src", "bindings", "examples", "tests", "cmake", "docs", ".ci")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    files += [root / name for name in ("CMakeLists.txt", "CMakePresets.json", "README.md", "run")]
    for path in sorted(path for path in files if path.exists() and (path.suffix in TEXT or path.name in ("run", "CMakePresets.json"))):
        text = path.read_text(encoding="utf-8")
        seen += 1
        if path.suffix in SOURCE:
            check_includes(root, path, text, faults.append)
            check_exceptions(root, path, text, faults.append)
            if text.count("\n") > LINE_LIMIT:
                long_files.append(f"{path.relative_to(root)}: {text.count(chr(10))} lines")
        for match in MACHINE_PATH.finditer(text):
            faults.append(f"{path.relative_to(root)}:{line_of(text, match.start())}: a path of one machine: {match.group()}")
    for line in long_files:
        print(f"note: more than {LINE_LIMIT} lines: {line}")
    for line in faults:
        print(f"fault: {line}")
    print(f"{seen} files, {len(faults)} faults")
    return 1 if faults or seen < 10 else 0


if __name__ == "__main__":
    sys.exit(main())
