"""steer_vector calibrate and sweep as a user runs them, on the demo model."""

import csv
import subprocess
import xml.etree.ElementTree as tree

import pytest

import demo_sweep
import steer_c as sc

MODEL, VECTOR = demo_sweep.DEMO / "model", demo_sweep.DEMO / "vectors" / "gyaru.safetensors"
PAIRS = demo_sweep.DEMO / "contrast.jsonl"


@pytest.fixture(scope="module")
def calibrated(torch_library, probe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tool")
    pairs = folder / "pairs.jsonl"
    lines = PAIRS.read_text(encoding="utf-8").splitlines()
    pairs.write_text("\n".join(lines[::60]) + "\n", encoding="utf-8")
    made = folder / "calibrated.safetensors"
    done = run(probe, "calibrate", "--model", MODEL, "--pairs", pairs, VECTOR, made)
    assert "safe maximum: " in done.stdout
    return made


def run(probe, *arguments, good=True):
    done = subprocess.run([probe("steer_vector"), *map(str, arguments)], capture_output=True, text=True)
    assert (done.returncode == 0) == good, done.stderr
    return done


def test_calibrate_writes_what_the_library_says(calibrated):
    info = sc.Vector.load(calibrated).info
    assert info.calibrated == 1 and 0.1 < info.strength_safe < 2.0


def test_a_sweep_is_a_table_and_a_picture(calibrated, probe, tmp_path):
    table, picture = tmp_path / "sweep.csv", tmp_path / "sweep.svg"
    run(probe, "sweep", calibrated, "--model", MODEL, "--prompts", demo_sweep.DEMO / "prompts.jsonl", "--prompts-max", 3, "--steps", 3,
        "--to", 0.6, "--tokens", 16, "--csv", table, "--picture", picture)
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert [float(row["strength"]) for row in rows] == pytest.approx([0.0, 0.3, 0.6])
    assert float(rows[0]["kl"]) == pytest.approx(0.0, abs=1e-6)
    assert float(rows[0]["kl"]) < float(rows[1]["kl"]) < float(rows[2]["kl"])
    assert float(rows[0]["raw"]) == pytest.approx(float(rows[0]["twin"]), abs=1e-2)  # no push: every reading is the same
    assert float(rows[2]["twin"]) > float(rows[0]["twin"]) + 0.3  # the voice is there
    root = tree.parse(picture).getroot()
    assert len(root.findall(".//{http://www.w3.org/2000/svg}polyline")) == 8


def test_bands_are_compared_at_the_same_strengths(calibrated, probe, tmp_path):
    high, table, picture = tmp_path / "high.safetensors", tmp_path / "sweep.csv", tmp_path / "sweep.svg"
    run(probe, "calibrate", VECTOR, high, "--model", MODEL, "--pairs", PAIRS, "--split", "held_out", "--layers", "5-6")
    run(probe, "sweep", calibrated, high, "--model", MODEL, "--prompts", demo_sweep.DEMO / "prompts.jsonl", "--prompts-max", 2, "--steps", 2,
        "--to", 0.6, "--tokens", 16, "--csv", table, "--picture", picture)
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert [(row["first_layer"], row["last_layer"]) for row in rows] == [("2", "6")] * 2 + [("5", "6")] * 2
    assert [float(row["strength"]) for row in rows] == pytest.approx([0.0, 0.6] * 2)
    assert float(rows[0]["perplexity"]) == pytest.approx(float(rows[2]["perplexity"]))  # no push: the same replies
    assert float(rows[1]["kl"]) != pytest.approx(float(rows[3]["kl"]))
    assert len(tree.parse(picture).getroot().findall(".//{http://www.w3.org/2000/svg}polyline")) == 2 * 4


def test_a_budget_is_kept(calibrated, probe, tmp_path):
    table = tmp_path / "sweep.csv"
    run(probe, "sweep", calibrated, "--model", MODEL, "--prompts", demo_sweep.DEMO / "prompts.jsonl", "--prompts-max", 2, "--steps", 1,
        "--from", 1.5, "--to", 1.5, "--tokens", 16, "--kl-budget", 0.25, "--csv", table)
    [row] = csv.DictReader(table.open(encoding="utf-8"))
    assert 0.1 < float(row["kl_p90"]) <= 0.25


def test_what_cannot_be_is_said(calibrated, probe, tmp_path):
    prompts = demo_sweep.DEMO / "prompts.jsonl"
    assert "is not calibrated" in run(probe, "sweep", VECTOR, "--model", MODEL, "--prompts", prompts, good=False).stderr
    empty = tmp_path / "empty.txt"
    empty.write_text("\n")
    assert "no prompts" in run(probe, "sweep", calibrated, "--model", MODEL, "--prompts", empty, good=False).stderr
    assert "cannot be opened" in run(probe, "calibrate", "--model", MODEL, "--pairs", "/nowhere", VECTOR, tmp_path / "x", good=False).stderr


def test_a_vector_is_calibrated_for_the_weights_that_it_is_used_with(torch_library, probe, calibrated, tmp_path):
    made, pairs = tmp_path / "int8.safetensors", calibrated.with_name("pairs.jsonl")
    run(probe, "calibrate", "--model", MODEL, "--pairs", pairs, VECTOR, made, "--weights", "int8")
    sweep = ["sweep", "--model", MODEL, "--prompts", demo_sweep.DEMO / "prompts.jsonl", "--prompts-max", 1, "--steps", 2, "--to", 0.3, "--tokens", 4]
    run(probe, *sweep, made, "--weights", "int8")
    for vector, weights in ((made, "as_stored"), (calibrated, "int8")):
        assert "another format of weights" in run(probe, *sweep, vector, "--weights", weights, good=False).stderr
    assert "--weights" in run(probe, *sweep, made, "--weights", "int2", good=False).stderr
