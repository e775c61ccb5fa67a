"""./run bench --quality: its figures against logits of state_probe and numpy."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import steer_c as sc
from checkpoints import TRAINING_TEXT, Shape, real_vocabulary
from load_quantisers import AS_STORED, INT4, INT8, NF4
from parity import Row, StateProbe
from quantised_cases import CASES, SHAPES, Folders

sys.path.insert(0, str(sc.REPOSITORY / "examples" / "bench"))
import quality  # noqa: E402

NAMES = {INT8: "int8", INT4: "int4", NF4: "nf4", AS_STORED: "as_stored"}
WINDOW = 40


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return Folders(tmp_path_factory.mktemp("quality"))


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("<|im_start|>".join(TRAINING_TEXT), encoding="utf-8")
    return path


def logits_of(probe, tmp_path, folder, weights, pieces):
    state = StateProbe(probe("state_probe"), tmp_path).open(folder, weights=weights)
    made = [state.begin(1, len(piece)).run([Row(piece)])[0].logits[:-1, : real_vocabulary()] for piece in pieces]
    state.close()
    return np.concatenate(made).astype(np.float64)


def log_softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def pieces_of(folder, text):
    with sc.Model(folder, residency=sc.RESIDENCY_NONE) as model:
        ids = model.encode(text.read_text(encoding="utf-8"), sc.TEXT_SPECIAL)
    return [ids[at: at + WINDOW] for at in range(0, len(ids), WINDOW)]


def expected(p, q, pieces):
    """Of every position that is followed by another in its piece."""
    kl, following = (np.exp(p) * (p - q)).sum(axis=1), np.concatenate([piece[1:] for piece in pieces])
    here = np.arange(len(following))
    return {"positions": len(kl), "kl_mean": kl.mean(), "kl_p99": np.percentile(kl, 99, method="inverted_cdf"), "kl_max": kl.max(),
            "agreement": 100 * (p.argmax(axis=1) == q.argmax(axis=1)).mean(),
            "perplexity_reference": np.exp(-p[here, following].mean()), "perplexity": np.exp(-q[here, following].mean())}


def measured(probe, folder, text, against=None, weights=None):
    options = SimpleNamespace(quality=folder, against=against, text=text, weights=weights, device="cpu", window=WINDOW,
                              program=sc.Path(probe("quality_bench")))
    return quality.run(options, "float32")[0]


def check(probe, tmp_path, text, row, reference, folder, kind):
    pieces = pieces_of(reference, text)
    assert len(pieces) > 2 and len(pieces[-1]) not in (1, WINDOW)
    p, q = (log_softmax(logits_of(probe, tmp_path, where, weights, pieces))
            for where, weights in ((reference, AS_STORED), (folder, kind)))
    wanted = expected(p, q, pieces)
    assert wanted["kl_mean"] > 1e-6 and 0 < wanted["agreement"] < 100
    assert row["weights"] == NAMES[kind] and row["positions"] == wanted["positions"]
    for name, value in wanted.items():
        assert row[name] == pytest.approx(value, rel=1e-6), name
    for folder_, weights, name in ((reference, AS_STORED, "weight_bytes_reference"), (folder, kind, "weight_bytes")):
        with sc.Model(folder_, dtype=sc.DTYPE_F32, weights=weights) as model:
            assert row[name] == model.info.weight_bytes


def test_packed_on_loading(torch_library, probe, folders, text, tmp_path):
    folder = folders.plain(Shape("padded", hidden=128, ffn=256, padding=37))
    rows = measured(probe, folder, text)
    assert [row["weights"] for row in rows] == ["int8", "int4", "nf4"]
    for row, kind in zip(rows, (INT8, INT4, NF4), strict=True):
        check(probe, tmp_path, text, row, folder, folder, kind)
    assert rows[0]["kl_mean"] < rows[1]["kl_mean"]  # 8 bits say more than 4


def test_a_packed_checkpoint_against_the_one_it_was_made_of(torch_library, probe, folders, text, tmp_path):
    published = folders.published(next(case for case in CASES if case[1] is SHAPES[0] and case[0].name == "awq-128"))
    (row,) = measured(probe, published.folder, text, against=published.source)
    check(probe, tmp_path, text, row, published.source, published.folder, AS_STORED)


def test_a_model_as_stored_is_itself(torch_library, probe, folders, text):
    (row,) = measured(probe, folders.plain(SHAPES[0]), text, weights=["as_stored"])
    assert row["kl_max"] == 0.0 and row["agreement"] == 100.0 and row["perplexity"] == row["perplexity_reference"]


def test_only_replies_count_of_the_demo_models_talks(torch_library, probe):
    talks, lines = quality.demo_talks(), (quality.DEMO / "contrast.jsonl").read_text(encoding="utf-8").splitlines()
    pair = json.loads(lines[0])
    assert pair["split"] == "train" and len(talks) == len(set(talks)) > 50
    program = quality.Program("quality_bench", [probe("quality_bench")])
    comparison = quality.Comparison(program, quality.DEMO / "model", quality.DEMO / "model", "float32", "cpu")
    with sc.Model(quality.DEMO / "model", residency=sc.RESIDENCY_NONE) as model:
        ids, marks = model.chat_encode([("user", pair["prompt"]), ("assistant", pair["positive"])], flags=0)
        last = max(i for i, mark in enumerate(marks) if mark)
        assert list(comparison.pieces(talks[1:2], 512)) == [(ids[: last + 1], marks.index(1) - 1)]
        cut = list(comparison.pieces(talks[1:2], 8))
        together = [one for piece, _ in cut for one in piece]
        assert together == ids[: len(together)] and last <= len(together) <= last + 1  # a last id alone has nothing before it
        counted = [8 * i + at for i, (piece, first) in enumerate(cut) for at in range(first, len(piece))]
        assert counted == list(range(marks.index(1) - 1, len(together)))
    program.close()


def test_the_command_writes_a_table_and_rows(torch_library, probe, folders, text, tmp_path):
    out, folder = tmp_path / "rows.json", folders.plain(SHAPES[0])
    done = subprocess.run([sys.executable, "-B", sc.REPOSITORY / "examples/bench/bench.py", "--program", probe("steer_bench"), "--scratch", tmp_path,
                           "--quality", folder, "--weights", "int8,nf4", "--text", text, "--json", out], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())["rows"]
    assert [row["weights"] for row in rows] == ["int8", "nf4"]
    for row in rows:
        assert f"| {row['weights']} | {row['weight_bytes'] / 1e6:.1f} |" in done.stdout and f"| {row['kl_mean']:.5f} |" in done.stdout


@pytest.mark.parametrize("options, words", [
    (["--weights", "int2"], "--weights takes some of as_stored, int8, int4, nf4, not int2"),
    (["--weights", "int8", "--against", "{other}"], "its vocabulary is not the reference's")], ids=["format", "vocabulary"])
def test_what_cannot_be_compared_is_refused_in_words(torch_library, probe, folders, tmp_path, options, words):
    other = folders.plain(Shape("wider", hidden=128, ffn=256, padding=64))
    command = [sys.executable, "-B", sc.REPOSITORY / "examples/bench/bench.py", "--program", probe("steer_bench"), "--scratch", tmp_path,
               "--quality", folders.plain(SHAPES[0]), *(word.format(other=other) for word in options)]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode != 0 and words in done.stderr and not done.stdout
