"""The examples, the notebook and the program of the pages run as they stand."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import steer

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "bindings" / "python" / "examples"


def run_example(name, *arguments, text=""):
    done = subprocess.run([sys.executable, EXAMPLES / name, *map(str, arguments)], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_talk():
    """Seeds are fresh: what is said differs, that each turn says something and reads the gauge does not."""
    said = run_example("talk.py", text="こんにちは\n/strength 0\nhello\n")
    turns = re.findall(r"(.+)\n\[persona ([+-]\d\.\d+)\]\n", said)
    assert len(turns) == 2 and all(-1.0 <= float(value) <= 1.0 for _, value in turns)


def test_many_at_once():
    lines = run_example("many_at_once.py").splitlines()
    assert len(lines) == 3 and len({line.split(maxsplit=1)[1] for line in lines}) > 1


def test_make_vector(tmp_path):
    lines = (ROOT / "examples/demo_model/contrast.jsonl").read_text(encoding="utf-8").splitlines()[::80]
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines), encoding="utf-8")
    said = run_example("make_vector.py", steer.demo_model_path(), tmp_path / "pairs.jsonl", tmp_path / "out.safetensors")
    assert "AUC" in said and steer.Vector.from_file(tmp_path / "out.safetensors").info.calibrated


def test_the_notebook():
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("matplotlib")
    notebook = nbformat.read(EXAMPLES / "persona.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)  # the file holds what is written, not what came out
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    shown = [data for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs for data in output.get("data", {})]
    assert shown.count("text/html") >= 2 and "image/png" in shown


@pytest.mark.parametrize("page", ["README.md", "bindings/python/README.md", "docs/python.md", "bindings/python/steer/__init__.py"])
def test_the_programs_of_the_pages(page, capsys, tmp_path, monkeypatch):
    text = (ROOT / page).read_text(encoding="utf-8")
    programs = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    if page.endswith(".py"):
        programs = [re.search(r"\n    import steer\n(?:\n|    .*\n)*", text).group().replace("\n    ", "\n")]
    assert programs
    monkeypatch.chdir(tmp_path)
    for index, program in enumerate(programs):
        file = tmp_path / f"program_{index}.py"
        file.write_text(program, encoding="utf-8")
        runpy.run_path(str(file), run_name="__main__")
    assert capsys.readouterr().out.strip()
