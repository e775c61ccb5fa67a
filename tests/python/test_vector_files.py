"""Files of tensors and persona vectors: what libsteer reads and writes against torch, numpy and safetensors.

Needs the built tool vector_probe: STEER_BIN names its folder, else the newest build/*/bin is taken.
"""
import hashlib
import json
import os
import pathlib
import subprocess

import numpy as np
import pytest

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors")
import safetensors.numpy  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUTPUT, INPUT = 1, 2
FORMAT, UNSUPPORTED, MISMATCH = -9, -7, -6


def find_probe():
    folders = [pathlib.Path(os.environ["STEER_BIN"])] if "STEER_BIN" in os.environ else ROOT.glob("build/*/bin")
    tools = [folder / "vector_probe" for folder in folders if (folder / "vector_probe").exists()]
    return max(tools, key=lambda tool: tool.stat().st_mtime, default=None)


PROBE = find_probe()
pytestmark = pytest.mark.skipif(PROBE is None, reason="vector_probe is not built (target vector_probe)")


class Refused(Exception):
    def __init__(self, status, words):
        super().__init__(words)
        self.status = status


def probe(*arguments):
    done = subprocess.run([PROBE, *map(str, arguments)], capture_output=True, text=True, timeout=60)
    if done.returncode == 1:
        status, words = done.stderr.strip().split(" ", 1)
        raise Refused(int(status), words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def load(path):
    return json.loads(probe("vector", path))


def values(row):
    return np.array(row["values"], dtype=np.float32)


def refused(status, words, *arguments):
    with pytest.raises(Refused, match=words) as caught:
        probe(*arguments)
    assert caught.value.status == status


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_sha256_equals_hashlib(tmp_path, rng):
    for size in [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000, 100003]:
        data = rng.bytes(size)
        (tmp_path / "x").write_bytes(data)
        assert probe("sha", tmp_path / "x").strip() == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_safetensors_floats_equal_torch(tmp_path, dtype):
    torch.manual_seed(3)
    special = torch.tensor([0.0, -0.0, 6e-8, 1e-7, 65504.0, 3e38, 1e-45, float("inf"), float("-inf")])
    tensors = {"a": torch.cat([special, torch.randn(500)]).to(dtype), "名": torch.randn(3, 5, 7).to(dtype),
               "none": torch.zeros(0, 4, dtype=dtype), "scalar": torch.tensor(1.25, dtype=dtype)}
    save_file(tensors, tmp_path / "x.safetensors", metadata={"k": "v"})
    for name, tensor in tensors.items():
        probe("floats", tmp_path / "x.safetensors", name, tmp_path / "out")
        ours = np.fromfile(tmp_path / "out", dtype=np.float32)
        assert np.array_equal(ours.view(np.uint32), tensor.to(torch.float32).numpy().ravel().view(np.uint32))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_older_persona_files(tmp_path, dtype):
    torch.manual_seed(5)
    rows = {layer: torch.nn.functional.normalize(torch.randn(64), dim=0).to(dtype) * 0.5 for layer in range(20, 51)}
    path = tmp_path / "Model_gyaru.v1.pt"
    torch.save(rows, path)
    vector = load(path)
    assert vector["name"] == "Model_gyaru.v1"
    assert (vector["layer_begin"], vector["layer_end"], vector["hidden_size"]) == (20, 51, 64)
    assert (vector["site_measured"], vector["site_applied"]) == (OUTPUT, INPUT)
    assert vector["model_fingerprint"] == "0" * 64 and vector["read"] == []
    for layer, row in rows.items():
        ours = vector["write"][layer - 20]
        assert np.array_equal(values(ours), row.to(torch.float32).numpy())  # never normalised
        assert ours["norm"] == pytest.approx(row.to(torch.float64).norm().item(), rel=1e-6)
        assert ours["auc"] is None


def test_strides_offsets_and_shared_storage(tmp_path):
    whole = torch.arange(60, dtype=torch.float32).reshape(12, 5)
    rows = {3: whole[2], 4: whole.t()[1][:5], 9: whole[:, 3][1::2][:5], 7: whole.flatten()[7:12],
            8: torch.ones(5).requires_grad_(), 6: whole.to(torch.bfloat16).t()[4, 3:8]}
    torch.save(rows, tmp_path / "v.pt")
    vector = load(tmp_path / "v.pt")
    assert (vector["layer_begin"], vector["layer_end"]) == (3, 10)
    for layer, row in rows.items():
        assert np.array_equal(values(vector["write"][layer - 3]), row.detach().to(torch.float32).numpy()), layer
    assert vector["write"][5 - 3] is None


def test_ordered_dict_and_zip_rewritten_by_python(tmp_path):
    import collections
    import zipfile
    rows = collections.OrderedDict([(1, torch.ones(3)), (0, torch.full((3,), 2.0))])
    torch.save(rows, tmp_path / "a.pt")
    assert values(load(tmp_path / "a.pt")["write"][0]).tolist() == [2, 2, 2]
    with zipfile.ZipFile(tmp_path / "a.pt") as old, zipfile.ZipFile(tmp_path / "b.pt", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert load(tmp_path / "b.pt")["fingerprint"] == load(tmp_path / "a.pt")["fingerprint"]
    compressed = zipfile.ZipFile(tmp_path / "c.pt", "w", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(tmp_path / "a.pt") as old, compressed as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    refused(UNSUPPORTED, "compressed", "vector", tmp_path / "c.pt")


class Opaque:
    pass


@pytest.mark.parametrize("payload, words", [
    ([torch.ones(4)], "holds a list"),
    ({"axes": torch.ones(4)}, "key 'axes'"),
    ({0: [1.0, 2.0]}, "a list for layer 0"),
    ({0: torch.ones(1, 4)}, r"shape \[1, 4\] for layer 0"),
    ({0: torch.ones(4, dtype=torch.int64)}, "torch.LongStorage"),
    ({0: np.float64(1)}, "numpy"),
    ({0: Opaque()}, "Opaque"),
    ({0: torch.nn.Parameter(torch.ones(4))}, "_rebuild_parameter"),
    ({1.5: torch.ones(4)}, "not layer numbers"),
    ({True: torch.ones(4)}, "not layer numbers"),
])
def test_other_torch_files_are_refused_in_words(tmp_path, payload, words):
    torch.save(payload, tmp_path / "x.pt")
    refused(UNSUPPORTED, words, "vector", tmp_path / "x.pt")


@pytest.mark.parametrize("payload, words", [
    ({}, "dict is empty"),
    ({-1: torch.ones(4)}, "-1 is no layer"),
    ({4096: torch.ones(4)}, "4096 is no layer"),
    ({2**62: torch.ones(4)}, "is no layer"),
    ({0: torch.zeros(4)}, "length zero"),
    ({0: torch.zeros(0)}, "is empty"),
    ({0: torch.ones(4), 1: torch.ones(5)}, "has 5 numbers"),
    ({0: torch.tensor([1.0, float("nan")])}, "not finite"),
    ({0: torch.tensor([1.0, 1e300], dtype=torch.float64)}, "not finite"),
    ({0: torch.ones(1).expand(4)}, "outside its storage"),
    (dict.fromkeys(range(4000), torch.ones(1 << 16)), "share one storage"),
])
def test_rows_that_cannot_be_used_are_refused(tmp_path, payload, words):
    torch.save(payload, tmp_path / "x.pt")
    refused(FORMAT, words, "vector", tmp_path / "x.pt")


def test_other_ways_of_torch_save_are_refused(tmp_path):
    rows = {0: torch.ones(4)}
    torch.save(rows, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    refused(UNSUPPORTED, "bare pickle", "vector", tmp_path / "old.pt")
    torch.save(rows, tmp_path / "four.pt", pickle_protocol=4)
    refused(UNSUPPORTED, "protocol 4", "vector", tmp_path / "four.pt")
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "code.pt"))
    refused(UNSUPPORTED, "TorchScript|compressed", "vector", tmp_path / "code.pt")


def test_native_file_is_read_by_safetensors(tmp_path):
    rows = {layer: torch.randn(16).half() for layer in (4, 5, 7)}
    torch.save(rows, tmp_path / "v.pt")
    probe("resave", tmp_path / "v.pt", tmp_path / "v.safetensors")
    tensors = load_file(tmp_path / "v.safetensors")
    assert sorted(tensors) == ["write.4", "write.5", "write.7"]
    for layer, row in rows.items():
        assert torch.equal(tensors[f"write.{layer}"], row.float())
    with safetensors.safe_open(tmp_path / "v.safetensors", "pt") as file:
        metadata = file.metadata()
    assert metadata["steer.schema"] == "1" and metadata["steer.name"] == "v"
    assert (metadata["steer.layer_begin"], metadata["steer.layer_end"]) == ("4", "8")
    assert metadata["steer.hidden_size"] == "16"
    assert (metadata["steer.site_measured"], metadata["steer.site_applied"]) == ("output", "input")
    assert "steer.model_fingerprint" not in metadata and "steer.gauge_layer" not in metadata
    before, after = load(tmp_path / "v.pt"), load(tmp_path / "v.safetensors")
    assert before == after


def test_native_file_made_in_python(tmp_path, rng):
    rows = {f"write.{layer}": rng.standard_normal(8).astype(np.float32) for layer in range(3)}
    rows["read.2"] = rng.standard_normal(8).astype(np.float32)
    stats = {"write": {"1": {"auc": 0.875, "neutral": -1.5, "later": "ignored"}}, "read": {"2": {"persona": 1e-30}}}
    metadata = {"steer.schema": "1", "steer.name": "執事", "steer.model_fingerprint": "ab" * 32,
                "steer.site_applied": "input", "steer.gauge_layer": "2", "steer.best_begin": "0",
                "steer.best_end": "2", "steer.strength_safe": "0.6",
                "steer.stats": json.dumps(stats), "licence": "CC0"}
    safetensors.numpy.save_file(rows, tmp_path / "x", metadata)
    probe("resave", tmp_path / "x", tmp_path / "y")
    for path in (tmp_path / "x", tmp_path / "y"):
        vector = load(path)
        assert vector["name"] == "執事" and vector["model_fingerprint"] == "ab" * 32
        assert vector["metadata"] == {"licence": "CC0"}
        assert vector["gauge_layer"] == 2 and vector["best"] == [0, 2]
        assert np.float32(vector["strength_safe"]) == np.float32(0.6)
        assert vector["write"][1]["auc"] == 0.875 and vector["write"][1]["neutral"] == -1.5
        assert vector["write"][0]["auc"] is None
        assert vector["read"][2]["persona"] == float(np.float32(1e-30)) and vector["read"][0] is None
        for name, row in rows.items():
            kind, layer = name.split(".")
            assert np.array_equal(values(vector[kind][int(layer)]), row)


def test_combine_equals_numpy(tmp_path, rng):
    a = {layer: torch.from_numpy(rng.standard_normal(8).astype(np.float32)) for layer in range(2, 6)}
    b = {layer: torch.from_numpy(rng.standard_normal(8).astype(np.float32)) for layer in range(4, 9)}
    torch.save(a, tmp_path / "a.pt")
    torch.save(b, tmp_path / "b.pt")
    for norm in (0, 2.5):
        probe("combine", tmp_path / "c", norm, tmp_path / "a.pt", 0.75, tmp_path / "b.pt", -2)
        vector = load(tmp_path / "c")
        assert (vector["layer_begin"], vector["layer_end"]) == (2, 9)
        for layer in range(2, 9):
            zero = torch.zeros(8)
            expected = (0.75 * a.get(layer, zero).double() - 2 * b.get(layer, zero).double()).numpy()
            if norm:
                expected *= norm / np.linalg.norm(expected)
            np.testing.assert_allclose(values(vector["write"][layer - 2]), expected, rtol=2e-7)
    torch.save({2: torch.ones(9)}, tmp_path / "wide.pt")
    refused(MISMATCH, "8 and 9 wide", "combine", tmp_path / "c", 0, tmp_path / "a.pt", 1, tmp_path / "wide.pt", 1)
