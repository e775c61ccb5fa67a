"""The package and the examples under mypy --strict; the examples against what is installed, as a host has it."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "bindings" / "python"
pytest.importorskip("mypy")


def check(*arguments, cwd):
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", *map(str, arguments)], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_is_typed(tmp_path):
    check("--cache-dir", tmp_path, "--config-file", "pyproject.toml", "steer", cwd=SOURCES)


def test_the_examples_are_typed_against_the_installed_package(tmp_path):
    try:
        distribution("steer")
    except PackageNotFoundError:
        pytest.skip("the package is not installed as a wheel here")
    examples = sorted((SOURCES / "examples").glob("*.py"))
    assert len(examples) >= 3
    check("--cache-dir", tmp_path, *examples, cwd=tmp_path)


def test_a_wrong_word_is_found(tmp_path):
    (tmp_path / "wrong.py").write_text("import steer\n\ndef f(s: steer.Session, v: steer.Vector) -> None:\n    s.steer(v, 1.0, unit='metres')\n")
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", tmp_path / "wrong.py"],
                          capture_output=True, text=True, cwd=SOURCES)  # fmt: skip
    assert "arg-type" in done.stdout and done.returncode == 1, done.stdout
