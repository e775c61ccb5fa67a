"""steer_vector mix and drift: cosines and orthogonal rows against NumPy and closed forms, drift's figures against its own CSV."""

import csv
import json
import re
import subprocess

import numpy as np
import pytest

import demo_sweep
import steer_c as sc

MODEL = demo_sweep.DEMO / "model"


@pytest.fixture(scope="module")
def tool(library, probe):
    program = probe("steer_vector")

    def run(*arguments, status=0):
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=600)
        assert done.returncode == status, done.stderr
        return done.stdout if status == 0 else done.stderr

    return run


def read_csv(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def made(path, rows, name, begin=1):
    with sc.Vector.create(rows, layer_begin=begin, name=name) as vector:
        vector.save(path)
    return path


def rows_of(path):
    with sc.Vector.load(path) as vector:
        info = vector.info
        return {layer: np.array(row, dtype=np.float64) for layer in range(info.layer_begin, info.layer_end) if (row := vector.row(layer))}


@pytest.fixture(scope="module")
def width(library):
    with sc.Model(MODEL, residency=sc.RESIDENCY_NONE) as model:
        return model.info.hidden_size


@pytest.fixture
def three(tmp_path, width):
    """Three vectors that overlap, of different lengths; the third lacks layer 1."""
    draw = np.random.default_rng(5)
    shared = draw.standard_normal((3, width))
    rows = [(shared + draw.standard_normal((3, width)) * (i + 1)).astype(np.float32) * 2.0**i for i in range(3)]
    rows[2] = rows[2][1:]
    return [made(tmp_path / f"{name}.safetensors", one, name, begin) for name, one, begin in zip("abc", rows, (1, 1, 2))]


def mixed(tool, tmp_path, files, *more):
    out, table = tmp_path / "out.safetensors", tmp_path / "out.csv"
    words = tool("mix", "--model", MODEL, "--out", out, "--csv", table, *files, *more)
    return rows_of(out), read_csv(table), words


def with_weights(files, weights):
    return [f"{file}={weight}" for file, weight in zip(files, weights)]


def test_a_weighted_sum_and_the_cosines(tool, tmp_path, three):
    rows, table, words = mixed(tool, tmp_path, [three[0], f"{three[1]}=-0.5", f"{three[2]}=2e-1"])
    given = [rows_of(file) for file in three]
    for layer, row in rows.items():
        expected = sum(weight * one[layer] for weight, one in zip((1, -0.5, 0.2), given) if layer in one)
        np.testing.assert_allclose(row, expected, atol=1e-5)
    found = {(int(r["layer"]), int(r["i"]) - 1, int(r["j"]) - 1): r["value"] for r in table if r["table"] == "cosine"}
    assert len(found) == 9 and "1: a, weight 1," in words
    for (layer, i, j), value in found.items():
        a, b = given[i].get(layer), given[j].get(layer)
        if a is None or b is None:
            assert value == ""
        else:
            assert float(value) == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-5)


def gram_schmidt(rows):
    """By QR: Q's columns span what the rows before do, and R's diagonal is what is left."""
    q, r = np.linalg.qr(rows.T)
    return (q * np.diag(r)).T


def loewdin(rows):
    """By the polar factor of the rows of length one, from their singular vectors."""
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    u, _, v = np.linalg.svd(units, full_matrices=False)
    directions = u @ v
    return directions * (rows * directions).sum(1, keepdims=True)


@pytest.mark.parametrize("method, expected", [("gram-schmidt", gram_schmidt), ("loewdin", loewdin)])
def test_orthogonal_rows_are_numpys(tool, tmp_path, three, method, expected):
    weights = (1.0, -0.5, 2.0)
    rows, table, _ = mixed(tool, tmp_path, with_weights(three, weights), "--method", method)
    left = {(int(r["layer"]), int(r["i"]) - 1): float(r["value"]) for r in table if r["table"] == "left"}
    given = [rows_of(file) for file in three]
    for layer in (1, 2, 3):
        here = [i for i in range(3) if layer in given[i]]
        before = np.stack([given[i][layer] for i in here])
        after = expected(before)
        np.testing.assert_allclose(rows[layer], np.array([weights[i] for i in here]) @ after, atol=1e-5 * np.abs(after).max())
        shares = np.linalg.norm(after, axis=1) / np.linalg.norm(before, axis=1)
        np.testing.assert_allclose([left.pop((layer, i)) for i in here], shares, atol=1e-5)
    assert not left


def test_what_two_rows_lose_by_their_angle(tool, tmp_path, width):
    """Closed forms at a cosine c: Gram-Schmidt leaves sqrt(1 - c^2) of the second, Loewdin the same of both."""
    c = 0.6
    a, b = np.zeros((2, 1, width), dtype=np.float32)
    a[0, 0], b[0, 0], b[0, 1] = 3, c, (1 - c * c) ** 0.5
    files = [made(tmp_path / f"{n}.safetensors", one, n) for n, one in (("a", a), ("b", b))]
    both = ((1 + c) ** 0.5 + (1 - c) ** 0.5) / 2
    for method, shares in (("gram-schmidt", (1, (1 - c * c) ** 0.5)), ("loewdin", (both, both))):
        _, table, _ = mixed(tool, tmp_path, files, "--method", method)
        assert [float(r["value"]) for r in table if r["table"] == "left"] == pytest.approx(shares, abs=1e-5)


def test_orthogonal_vectors_stay_as_they_are(tool, tmp_path, width):
    one = np.eye(2, width, dtype=np.float32) * 4
    files = [made(tmp_path / f"{i}.safetensors", one[i : i + 1], str(i)) for i in range(2)]
    for method in ("gram-schmidt", "loewdin"):
        rows, _, _ = mixed(tool, tmp_path, files, "--method", method)
        np.testing.assert_allclose(rows[1], one.sum(0), atol=1e-5)


def test_errors_in_words(tool, tmp_path, three, width):
    out, prompts, empty = tmp_path / "out.safetensors", tmp_path / "prompts.txt", tmp_path / "empty.txt"
    prompts.write_text("hello\n", encoding="utf-8")
    empty.write_text("\n", encoding="utf-8")
    base = ("mix", "--model", MODEL, "--out", out)
    assert "vectors" in tool(*base, three[0], status=2)
    assert "is no weight" in tool(*base, three[0], f"{three[1]}=much", status=1)
    assert "cannot be opened" in tool(*base, three[0], tmp_path / "nothing", status=1)
    assert "cancel each other" in tool(*base, three[0], f"{three[0]}=-1", status=1)
    for method in ("gram-schmidt", "loewdin"):
        assert "layer 1: the rows are linearly dependent" in tool(*base, three[0], three[0], "--method", method, status=1)
    assert "--prompts" in tool(*base, *three, "--interference", status=1)
    assert "a.safetensors: is not calibrated" in tool(*base, *three, "--interference", "--prompts", prompts, status=1)
    other = made(tmp_path / "other.safetensors", np.ones((1, width + 1)), "other")
    assert "wide" in tool(*base, three[0], other, status=1)
    base = ("drift", "--model", MODEL, "--strength", 0.3, "--vector", three[0])
    assert "is not calibrated" in tool(*base, "--prompts", prompts, status=1)
    assert "holds no prompts" in tool(*base, "--prompts", empty, status=1)
    prompts.write_text('hello\n{"text": "x"}\n', encoding="utf-8")
    assert 'line 2: "prompt" is missing' in tool(*base, "--prompts", prompts, status=1)
    assert not out.exists()


# -- with the demo model


@pytest.fixture(scope="module")
def calibrated(torch_library, tmp_path_factory):
    """The demo's vector and another one (a mix of it with a random direction), calibrated on few pairs."""
    folder = tmp_path_factory.mktemp("calibrated")
    lines = (demo_sweep.DEMO / "contrast.jsonl").read_text(encoding="utf-8").splitlines()
    chosen = [pair for pair in map(json.loads, lines) if pair["split"] == "train"][::104][:4]
    pairs = [((None, p["prompt"], p["positive"]), (None, p["prompt"], p["negative"]), i) for i, p in enumerate(chosen)]
    files = []
    with sc.Model(MODEL, dtype=sc.DTYPE_F32) as model, sc.Vector.load(demo_sweep.DEMO / "vectors" / "gyaru.safetensors") as vector:
        random = demo_sweep.random_vector(model, vector)
        for name, one in (("gyaru", vector), ("other", sc.Vector.combine([vector, random], [1.0, 1.0]))):
            files.append(folder / f"{name}.safetensors")
            one.calibrate(model, pairs, seed=3).save(files[-1])
    return files


@pytest.fixture(scope="module")
def prompts(tmp_path_factory):
    path = tmp_path_factory.mktemp("prompts") / "prompts.jsonl"
    path.write_text("".join(json.dumps(p, ensure_ascii=False) + "\n" for p in demo_sweep.load_prompts(24)), encoding="utf-8")
    return path


def readings(model, files, prompt, seed, pushes, tokens):
    """Means of the calibrated twin gauges over a reply, by the Python layer."""
    vectors = [sc.Vector.load(file) for file in files]
    with model.session(twin=1) as session:
        session.set_generation(seed=seed, token_max=tokens)
        for i in pushes:
            session.inject(vectors[i], 0.5 * vectors[i].info.strength_safe, unit=sc.UNIT_RELATIVE)
        for vector in vectors:
            session.gauge(vector, reading=sc.READING_TWIN, scale=sc.SCALE_CALIBRATED, window=8)
        ids, marks = model.chat_encode([("user", prompt)])
        session.set_tokens(ids, marks=marks)
        return np.nanmean([step.gauges for step in session.generate() if step.token >= 0], axis=0)


def test_interference_is_what_the_gauges_say(tool, tmp_path, calibrated, prompts):
    few = tmp_path / "few.jsonl"
    few.write_text("".join(prompts.read_text(encoding="utf-8").splitlines(keepends=True)[:3]), encoding="utf-8")
    _, table, words = mixed(tool, tmp_path, calibrated, "--interference", "--prompts", few, "--tokens", 12, "--seed", 7)
    assert "below each the sum" in words
    texts = [json.loads(line)["prompt"] for line in few.read_text(encoding="utf-8").splitlines()]
    with sc.Model(MODEL) as model:
        found = {pushes: np.stack([readings(model, calibrated, text, 7 + i, pushes, 12) for i, text in enumerate(texts)])
                 for pushes in ((), (0,), (1,), (0, 1))}
    seen = 0
    for row in table:
        if row["table"] not in ("alone", "together"):
            continue
        pushes = tuple(int(row[key]) - 1 for key in ("i", "j") if row[key])
        change = (found[pushes] - found[()])[:, int(row["gauge"]) - 1]
        assert float(row["value"]) == pytest.approx(change.mean(), abs=2e-3)
        assert float(row["error"]) == pytest.approx(change.std(ddof=1) / len(change) ** 0.5, abs=2e-3)
        seen += 1
    assert seen == 6


def slope(turns):
    return np.polyfit([x for x, _ in turns], [y for _, y in turns], 1)[0]


def test_drift_says_what_its_csv_does(tool, tmp_path, calibrated, prompts):
    table, contrary = tmp_path / "drift.csv", tmp_path / "contrary.txt"
    contrary.write_text("Be polite.\n", encoding="utf-8")
    words = tool("drift", "--model", MODEL, "--vector", calibrated[0], "--prompts", prompts, "--strength", 0.4, "--talks", 3,
                 "--turns", 3, "--after", 2, "--tokens", 16, "--contrary", contrary, "--csv", table, "--together", 2)
    rows = read_csv(table)
    value = {(int(r["talk"]), int(r["turn"]), r["run"]): float(r["gauge"]) for r in rows}
    assert len(value) == 3 * 5 * 2
    for row in rows:
        steered = row["run"] == "steered" and int(row["turn"]) <= 3
        assert float(row["strength"]) == pytest.approx(0.4 if steered else 0.0)
        assert row["contrary"] == str(int(int(row["turn"]) == 2)) and 1 <= int(row["tokens"]) <= 16
        if row["run"] == "plain":
            assert abs(float(row["kl"])) < 1e-5
        elif steered:
            assert float(row["kl"]) > 1e-3
    talks = [[(turn, value[talk, turn, "steered"]) for turn in (1, 2, 3)] for talk in (1, 2, 3)]
    said = re.search(r"^  gauge +(\S+) +\[(\S+), (\S+)\]", words, re.MULTILINE)
    assert float(said[1]) == pytest.approx(slope(sum(talks, [])), abs=2e-5)
    draw = np.random.default_rng(0)
    drawn = [slope(sum((talks[i] for i in draw.integers(3, size=3)), [])) for _ in range(2000)]
    np.testing.assert_allclose([float(said[2]), float(said[3])], np.percentile(drawn, (2.5, 97.5)), atol=0.3 * np.std(drawn) + 2e-5)
    gone = [next((turn - 3 for turn in (4, 5) if value[talk, turn, "steered"] < value[talk, turn, "plain"] + 0.1), 0) for talk in (1, 2, 3)]
    for turn, count in re.findall(r"^  (\d+): (\d+) talks", words, re.MULTILINE):
        assert int(count) == gone.count(int(turn))
    assert f"more than 2: {gone.count(0)} talks" in words


def test_a_talk_is_the_same_with_or_without_others(tool, tmp_path, calibrated, prompts):
    """Equal seeds: a talk does not depend on which are computed with it."""
    tables = []
    for together in (1, 2):
        tables.append(tmp_path / f"{together}.csv")
        tool("drift", "--model", MODEL, "--vector", calibrated[0], "--prompts", prompts, "--strength", 0.3, "--talks", 2, "--turns", 2,
             "--after", 0, "--tokens", 6, "--together", together, "--csv", tables[-1], "--seed", 5)
    a, b = map(read_csv, tables)
    np.testing.assert_allclose([float(r["gauge"]) for r in a], [float(r["gauge"]) for r in b], atol=2e-3)
