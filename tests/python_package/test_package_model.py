"""Models from Python: what the folder says, tokens as the tokenizer has them, chat as transformers formats it, errors by class."""

import json

import numpy as np
import pytest

import steer

TEXTS = ["hello", "今日はいい天気ですね。", "a\n\nb  c 🙂", "<|im_end|>", ""]
TALK = [{"role": "user", "content": "こんにちは"}, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "<|im_end|>?"}]


def test_info_is_the_folders(loaded):
    config, info = loaded.reference.config, loaded.model.info
    assert (info.layer_count, info.hidden_size, info.vocab_size) == (config.num_hidden_layers, config.hidden_size, config.vocab_size)
    assert (info.dtype, info.device, info.residency) == ("f32", "cpu", "device") and len(info.fingerprint) == 32
    assert loaded.model.config == json.loads((loaded.folder / "config.json").read_text())
    assert loaded.model.generation_config["top_k"] == 20
    assert loaded.model.architecture == config.architectures[0]
    assert loaded.model.architecture in repr(loaded.model) and "<table>" in loaded.model._repr_html_()


def test_tokens_are_the_tokenizers(loaded):
    from tokenizers import Tokenizer

    reference = Tokenizer.from_file(str(loaded.folder / "tokenizer.json"))
    for text in TEXTS:
        ids = loaded.model.encode(text, control_tokens=True)
        assert ids.dtype == np.int32 and ids.tolist() == reference.encode(text, add_special_tokens=False).ids
        assert loaded.model.decode(ids, control_tokens=True) == text
        assert loaded.model.decode_bytes(loaded.model.encode(text)) == text.encode()  # as plain text, byte for byte


def test_chat_is_transformers(loaded):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(loaded.folder)
    plain = [message for message in TALK if "<|" not in message["content"]]
    theirs = tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=True)
    assert loaded.model.format_chat(plain) == theirs
    ids, marks = loaded.model.encode_chat(plain)
    assert loaded.model.decode(ids, control_tokens=True) == theirs
    assert marks.dtype == bool and loaded.model.decode(ids[marks], control_tokens=True) == "hi<|im_end|>"


def test_message_text_never_becomes_a_control_token(loaded):
    ids, _ = loaded.model.encode_chat(TALK, open_reply=False)
    end = loaded.model.encode("<|im_end|>", control_tokens=True)
    assert len(end) == 1 and np.count_nonzero(ids == end[0]) == len(TALK)


def test_messages_with_more_fields_reach_the_template(demo):
    template = "{% for m in messages %}{{ m.role }}:{{ m.name }}:{{ m.content }};{% endfor %}{{ tools[0].name }}{{ mood }}"
    text = demo.format_chat([{"role": "user", "content": "x", "name": "ann"}], open_reply=False, template=template,
                            tools=[{"name": "clock"}], variables={"mood": "gay"})  # fmt: skip
    assert text == "user:ann:x;clockgay"


@pytest.mark.parametrize("messages, words", [
    ("hi", "a list of dicts"), ([3], r"messages\[0\]"), ([{"content": "x"}], "role"), ([{"role": "user", "content": ["x"]}], "content"),
])  # fmt: skip
def test_messages_that_are_none_are_refused_in_words(demo, messages, words):
    with pytest.raises(TypeError, match=words):
        demo.encode_chat(messages)


def test_residency_none_reads_no_weights(tmp_path):
    with steer.Model.from_pretrained(steer.demo_model_path(), residency="none") as model:
        assert model.info.residency == "none" and model.info.weight_bytes > 0
        assert model.decode(model.encode("hello")) == "hello"
        session = model.session()
        session.generate("hello")
        with pytest.raises(steer.StateError):
            session.step()
        model.set_residency("device")
        assert [session.step().token is None, session.step().token is None] == [True, False]


def test_progress_runs_to_the_end_and_stops_when_asked():
    shares = []
    steer.Model.from_pretrained(steer.demo_model_path(), device="cpu", progress=shares.append).close()
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1.0)
    with pytest.raises(steer.CancelledError):
        steer.Model.from_pretrained(steer.demo_model_path(), device="cpu", progress=lambda share: True)


def test_what_a_progress_function_raises_comes_out():
    def fail(share):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        steer.Model.from_pretrained(steer.demo_model_path(), device="cpu", progress=fail)


def test_bars_are_for_terminals(capsys):
    from steer.progress import shown

    with shown("loading", None) as function:
        assert function is None
    with shown("loading", True) as function:
        function(0.5)
    assert "loading" in capsys.readouterr().err
    with shown("loading", False) as function:
        assert function is None


def test_an_exported_model_says_the_same(loaded, tmp_path):
    loaded.model.export(tmp_path / "out")
    with pytest.raises(steer.SteerError, match="(?i)code"):
        steer.Model.from_pretrained(tmp_path / "out")
    with steer.Model.from_pretrained(tmp_path / "out", device="cpu", dtype="f32", allow_code=True, verify=True) as again:
        replies = []
        for model in (loaded.model, again):
            with model.session() as session:
                session.set_generation(temperature=0.0, token_max=16, stop_tokens=[])
                replies.append(session.generate([5, 6, 7]).read())
        assert replies[0] == replies[1]


def test_errors_have_classes_status_and_the_librarys_words(tmp_path, demo):
    with pytest.raises(steer.FileError, match="nowhere") as caught:
        steer.Model.from_pretrained(tmp_path / "nowhere")
    assert isinstance(caught.value, OSError) and caught.value.status == "STEER_ERR_IO" and caught.value.code == -8
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(steer.FormatError, match="config.json"):
        steer.Model.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="dtype.*auto, f32, f16, bf16"):
        steer.Model.from_pretrained(steer.demo_model_path(), dtype="f8")
    with pytest.raises(TypeError, match="device_memory_max"):
        steer.Model.from_pretrained(steer.demo_model_path(), device_memory_max="much")
    with pytest.raises(ValueError, match="weights.*as_stored, int8, int4, nf4"):
        steer.Model.from_pretrained(steer.demo_model_path(), weights="int2")
    (tmp_path / "config.json").write_text(json.dumps(demo.config | {"quantization_config": {"quant_method": "fp8"}}))
    with pytest.raises(steer.UnsupportedError, match="quant_method"):
        steer.Model.from_pretrained(tmp_path)
    with pytest.raises(steer.DeviceMemoryError):
        steer.Model.from_pretrained(steer.demo_model_path(), device="cpu", device_memory_max=1000)


@pytest.mark.parametrize("weights", ["int8", "int4", "nf4"])
def test_weights_are_packed_while_they_are_loaded(demo, weights):
    told = []
    with steer.Model.from_pretrained(steer.demo_model_path(), device="cpu", dtype="f32", weights=weights, progress=lambda x: told.append(x)) as model:
        assert told[-1] == 1.0
        assert model.info.weights == weights and demo.info.weights == "as_stored"
        assert f"{weights} weights" in repr(model) and "weights, device" in repr(model)
        assert f"<td>{weights}</td>" in model._repr_html_()
        assert model.info.weight_bytes < demo.info.weight_bytes
        with model.session() as session:
            session.set_generation(temperature=0.0, token_max=8)
            said = session.generate([5, 6, 7]).read()
            model.set_residency("host")
            model.set_residency("device")
            session.set_tokens([])
            assert session.generate([5, 6, 7]).read() == said


def test_a_closed_model_is_refused():
    model = steer.Model.from_pretrained(steer.demo_model_path(), residency="none")
    model.close()
    model.close()
    assert repr(model) == "Model(closed)"
    with pytest.raises(steer.ArgumentError, match="freed"):
        model.encode("x")


def test_the_log_goes_to_logging(demo, caplog, tmp_path):
    vector = steer.Vector.from_rows(np.ones((1, demo.info.hidden_size)))
    vector.save(tmp_path / "untied.safetensors")
    steer.Vector.from_file(tmp_path / "untied.safetensors")
    assert [record.name for record in caplog.records] == ["steer"] and "says nothing of the model" in caplog.text
    lines = []
    steer.set_log(lambda level, text: lines.append(level), "warn")
    try:
        steer.Vector.from_file(tmp_path / "untied.safetensors")
    finally:
        steer.set_log(steer.to_logging)
    assert lines == ["warn"]
