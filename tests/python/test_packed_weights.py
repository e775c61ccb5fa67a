"""Packed weights through the C door: what they take is what was said, and they say the same wherever they have lain."""

import json

import numpy as np
import pytest

import steer_c as sc
from checkpoints import Shape, real_vocabulary
from load_quantisers import AS_STORED, INT4, INT8, NF4, int4_group
from quantised_cases import CASES, ON_LOAD, SHAPES, Folders, case_name, on_load_name

ITEM = 4  # everything that is not packed is computed in float32 here
LEVELS = 16 * 4  # bytes, NF4, for each matrix
AS_PUBLISHED = [case for case in CASES if case[1] is SHAPES[0] and case[0].name in (
    "gptq-128-act-order", "awq-64-sharded", "nf4-nested", "nf4-nested-dynamic")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return Folders(tmp_path_factory.mktemp("packed"))


# ---- sizes ----------------------------------------------------------------------------------------------------------


def config_of(folder):
    return json.loads((folder / "config.json").read_text())


def linear_shapes(config):
    """[outputs, inputs] of a block's matrices."""
    hidden, ffn, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
    head_dim = config.get("head_dim") or hidden // heads
    query, key = heads * head_dim, config["num_key_value_heads"] * head_dim
    return [(query, hidden), (key, hidden), (key, hidden), (hidden, query), (ffn, hidden), (ffn, hidden), (hidden, ffn)]


def numbers_beside(config):
    """Norms and biases: of all blocks and the last norm."""
    hidden, heads, keys = config["hidden_size"], config["num_attention_heads"], config["num_key_value_heads"]
    head_dim = config.get("head_dim") or hidden // heads
    qwen3 = config["architectures"] == ["Qwen3ForCausalLM"]
    block = 2 * hidden + (2 * head_dim if qwen3 else (heads + 2 * keys) * head_dim)
    return config["num_hidden_layers"] * block + hidden


def packed_bytes(kind, n, k):
    """int8: a code for each number, a float32 scale for each row. int4: half a byte, for each group a half-precision
    scale and a byte of zero point. NF4: half a byte, a float32 scale for 64 numbers, the levels."""
    return {AS_STORED: ITEM * n * k, INT8: n * k + 4 * n, INT4: n * k // 2 + 3 * n * k // (int4_group(k) or k),
            NF4: n * k // 2 + 4 * n * k // 64 + LEVELS}[kind]


def model_bytes(config, kind):
    layers, head = config["num_hidden_layers"], (config["vocab_size"], config["hidden_size"])
    matrices, total = linear_shapes(config), ITEM * (head[0] * head[1] + numbers_beside(config))
    total += layers * sum(packed_bytes(kind, n, k) for n, k in matrices)
    if kind != AS_STORED:
        total += ITEM * sum(n * k for n, k in matrices)  # where one block's are unpacked
    if kind != AS_STORED or not config["tie_word_embeddings"]:
        total += packed_bytes(INT8 if kind != AS_STORED else AS_STORED, *head)
    return total


def published_bytes(config, form):
    """Of a checkpoint in which every linear is packed: codes, one scale and one zero point for each group."""
    settings, matrices = config["quantization_config"], linear_shapes(config)
    size = settings.get("group_size", 64)
    group = lambda k: k if size == -1 else size  # noqa: E731
    each = 4 if form == "bitsandbytes" else 2 + 1
    extra = {"bitsandbytes": lambda k: LEVELS, "awq": lambda k: 0,
             "gptq": lambda k: 8 * k if settings.get("desc_act") and k > group(k) else 0}[form]
    packed = sum(n * k // 2 + each * n * (k // group(k)) + extra(k) for n, k in matrices)
    head = config["vocab_size"] * config["hidden_size"] * (1 if config["tie_word_embeddings"] else 2)
    return ITEM * (head + numbers_beside(config) + sum(n * k for n, k in matrices)) + config["num_hidden_layers"] * packed


def loaded(folder, **how):
    return sc.Model(folder, dtype=sc.DTYPE_F32, **how)


def check_size(folder, kind, wanted):
    """Before any weight is read and after."""
    with loaded(folder, weights=kind, residency=sc.RESIDENCY_NONE) as model:
        assert model.info.weight_bytes == wanted and model.info.device_bytes_used == 0
        model.set_residency(sc.RESIDENCY_DEVICE)
        info = model.info
        assert (info.weights, info.weight_bytes, info.device_bytes_used) == (kind, wanted, wanted)


@pytest.mark.parametrize("shape, kind", [*ON_LOAD, *((shape, AS_STORED) for shape in SHAPES)], ids=on_load_name)
def test_what_is_packed_on_loading_takes_what_its_format_says(torch_library, folders, shape, kind):
    folder = folders.plain(shape)
    check_size(folder, kind, model_bytes(config_of(folder), kind))


@pytest.mark.parametrize("case", [case for case in CASES if "dynamic" not in case[0].name], ids=case_name)
def test_a_packed_checkpoint_takes_what_its_format_says(torch_library, folders, case):
    folder = folders.published(case).folder
    config = config_of(folder)
    check_size(folder, AS_STORED, published_bytes(config, config["quantization_config"]["quant_method"]))


@pytest.mark.parametrize("kind", [INT8, INT4, NF4], ids=on_load_name)
def test_packing_saves_where_matrices_outweigh_the_rest(torch_library, folders, kind):
    """A small model's room for one block is half of its blocks; with 12 of them it is little, as in every real one."""
    folder = folders.plain(Shape("qwen2-deep", layers=12, hidden=256, heads=4, ffn=512, tied=False))
    with loaded(folder, weights=kind) as packed, loaded(folder) as plain:
        assert packed.info.weight_bytes < 0.6 * plain.info.weight_bytes


# ---- places ---------------------------------------------------------------------------------------------------------


def said(model, count=12):
    """Greedy tokens after a prompt that is more than one block of the cache, with their log-probabilities."""
    session = model.session()
    session.set_generation(temperature=0.0, repeat_penalty=1.0, stop_tokens=[])
    session.set_tokens(np.random.default_rng(5).integers(0, real_vocabulary(), 70).tolist())
    spoken = []
    while len(spoken) < count:
        step = session.step()
        if not step.is_prompt:
            spoken.append((step.token, step.log_prob))
    return spoken, session


def check_told(fractions):
    assert fractions == sorted(fractions) and fractions[0] >= 0 and fractions[-1] == 1.0


def check_places(folder, device, kind):
    told = []
    progress = sc.ProgressFn(lambda _user, fraction: told.append(fraction) or 0)
    with loaded(folder, device=device, weights=kind, progress_fn=progress) as model:
        check_told(told)
        takes = model.info.weight_bytes
        first, session = said(model)
        for place in (sc.RESIDENCY_HOST, sc.RESIDENCY_DEVICE, sc.RESIDENCY_HOST, sc.RESIDENCY_NONE, sc.RESIDENCY_DEVICE,
                      sc.RESIDENCY_NONE, sc.RESIDENCY_HOST, sc.RESIDENCY_DEVICE):
            told.clear()
            model.set_residency(place, progress)
            if place != sc.RESIDENCY_NONE:
                check_told(told)
            assert model.info.weight_bytes == takes and model.info.weights == kind
            if place == sc.RESIDENCY_DEVICE:
                assert said(model)[0] == first
        session.close()


@pytest.mark.parametrize("shape, kind", ON_LOAD, ids=on_load_name)
def test_packed_on_loading_and_moved(torch_library, folders, device, shape, kind):
    check_places(folders.plain(shape), device, kind)


@pytest.mark.parametrize("case", AS_PUBLISHED, ids=case_name)
def test_a_packed_checkpoint_is_moved(torch_library, folders, device, case):
    check_places(folders.published(case).folder, device, AS_STORED)


@pytest.mark.parametrize("place", [sc.RESIDENCY_HOST, sc.RESIDENCY_DEVICE], ids=["to the host", "back"])
def test_a_move_that_is_stopped_leaves_everything_where_it_was(torch_library, folders, device, place):
    with loaded(folders.plain(SHAPES[0]), device=device, weights=INT4) as model:
        first = said(model)[0]
        if place == sc.RESIDENCY_DEVICE:
            model.set_residency(sc.RESIDENCY_HOST)
        for stop_at in (0.0, 0.5, 1.0):
            before = model.info.residency
            with pytest.raises(sc.SteerError) as stopped:
                model.set_residency(place, sc.ProgressFn(lambda _user, fraction: int(fraction >= stop_at)))
            assert stopped.value.status == sc.ERR_CANCELLED and model.info.residency == before
        model.set_residency(sc.RESIDENCY_DEVICE)
        assert said(model)[0] == first


def test_a_quantised_checkpoint_is_not_packed_again(torch_library, folders):
    with pytest.raises(sc.SteerError, match="is quantised already.*STEER_WEIGHTS_AS_STORED") as refused:
        loaded(folders.published(AS_PUBLISHED[0]).folder, weights=INT8)
    assert refused.value.status == sc.ERR_UNSUPPORTED


def test_sizes_that_no_group_divides_are_refused_by_name(torch_library, folders):
    with pytest.raises(sc.SteerError, match="has 96 columns, which 64 does not divide.*STEER_WEIGHTS_INT8") as refused:
        loaded(folders.plain(SHAPES[3]), weights=NF4)
    assert refused.value.status == sc.ERR_UNSUPPORTED
