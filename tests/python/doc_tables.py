"""Puts measured tables between their marks on a page of docs/: `<!-- name -->` and `<!-- /name -->`, each on a line."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def made_by(script, arithmetic):
    """The line that says what measured, where and when."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return f"`tests/python/{script} --write` on {os.uname().machine}, {arithmetic}, at {commit}."


def put(page, tables):
    """tables: {name: lines}"""
    path = ROOT / "docs" / page
    text = path.read_text(encoding="utf-8")
    for name, lines in tables.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
        head, rest = text.split(begin)
        text = head + begin + "\n".join(lines) + "\n" + end + rest.split(end)[1]
    path.write_text(text, encoding="utf-8")
