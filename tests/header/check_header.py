#!/usr/bin/env python3
"""Is all of the C header used by those who claim to show all of it?

    python3 tests/header/check_header.py HEADER WHAT... -- FILE_OR_FOLDER...

WHAT: functions   each STEER_API function is called, or handed over as a function
      constants   each enum constant is written
      fields      each field of each options struct that an init function fills is written, as often as there are such
                  structs: c.seed
"""
import re
import sys
from pathlib import Path


def without_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)


def functions(header):
    return re.findall(r"^STEER_API\s[^;(]*?\b(steer_\w+)\(", header, flags=re.MULTILINE)


def constants(header):
    return [name for body in re.findall(r"\benum\s*\{(.*?)\}", header, flags=re.DOTALL)
            for name in re.findall(r"\b(STEER_\w+)\s*=", body)]


def fields(header):
    """Of the structs that steer_..._init functions take."""
    taken = set(re.findall(r"\bsteer_\w+_init\((steer_\w+) \*", header))
    found = []
    for body, name in re.findall(r"typedef struct \w+ \{(.*?)\}\s*(\w+);", header, flags=re.DOTALL):
        if name in taken:
            declarations = re.sub(r"^\s*(?:const )?[\w]+", "", body, flags=re.MULTILINE)
            found += ["c." + field for field in re.findall(r"(\w+)\s*[,;]", declarations) if field != "struct_size"]
    return found


def main():
    split = sys.argv.index("--")
    header = without_comments(Path(sys.argv[1]).read_text(encoding="utf-8"))
    paths = [Path(name) for name in sys.argv[split + 1:]]
    files = [file for path in paths for file in (sorted(path.rglob("*.hpp")) if path.is_dir() else [path])]
    text = "\n".join(without_comments(file.read_text(encoding="utf-8")) for file in files)
    # Status codes are compared by the host, and named nowhere else.
    given = {"functions": functions, "constants": lambda h: [n for n in constants(h) if not re.match(r"STEER_(OK|ERR_)", n)],
             "fields": fields}
    faults = 0
    for what in sys.argv[2:split]:
        names = given[what](header)
        missing = [name for name in sorted(set(names))
                   if len(re.findall(r"\b" + re.escape(name) + r"\b", text)) < (names.count(name) if what == "fields" else 1)]
        for name in missing:
            print(f"fault: {name} is in the header and not in {', '.join(map(str, paths))}")
        print(f"{what}: {len(names)} in the header, {len(missing)} missing")
        faults += len(missing) + (len(names) < 10)
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())
