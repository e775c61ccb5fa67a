"""The chat on pipes and files: plain text, one answer, JSON lines, exit statuses."""
import json
import re
import subprocess
import time

import pytest
from console import interrupt, piped


def run(scripted, model, *options, text="", **settings):
    env = {"SCRIPT_REPLY": "hello"}
    env.update({key: str(value) for key, value in settings.items()})
    return piped([scripted, "--model", str(model), *options], text, env)


def json_lines(result):
    out = result.stdout.decode()
    assert out.endswith("\n")
    return [json.loads(line) for line in out.splitlines()]


def test_each_line_is_a_message_and_the_output_is_plain(scripted, model):
    done = run(scripted, model, "--strength", "8", text="こんにちは\nもう一度\n", SCRIPT_REPLY="ECHO")
    out = done.stdout.decode()
    assert done.returncode == 0
    assert "\x1b" not in out and "\r" not in out and not done.stderr
    assert re.search(r"persona +gyaru", out) and re.search(r"strength +8", out) and re.search(r"layers +2-3", out)
    assert "You: こんにちは\ngyaru: user=こんにちは;\n[gauge gyaru L2] raw mean " in out
    assert "gyaru: user=こんにちは;assistant=user=こんにちは;;user=もう一度;\n" in out
    assert out.count("[gauge") == 2  # once a reply


def test_commands_keep_their_place_among_piped_lines(scripted, model):
    out = run(scripted, model, text="one\n/strength 3\ntwo\nexit\nnever\n", SCRIPT_DELAY_MS=5).stdout.decode()
    assert re.search(r"You: one\n.*strength 8\n.*strength 8 → 3\nYou: two\n.*strength 3\n", out, re.S)
    assert "never" not in out


def test_a_command_that_arrives_during_a_reply_acts_at_once(scripted, model):
    env = {"SCRIPT_REPLY": "abcdefghij" * 6, "SCRIPT_DELAY_MS": "30", "PATH": "/usr/bin:/bin"}
    with subprocess.Popen([scripted, "--model", str(model)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as chat:
        chat.stdin.write(b"x\n")
        chat.stdin.flush()
        seen = b""
        while b"gyaru: abc" not in seen:
            seen += chat.stdout.read1(1)
        chat.stdin.write(b"/strength 3\n")
        chat.stdin.close()
        seen += chat.stdout.read()
    said = seen.decode().split("gyaru: ")[1]
    assert said.index("strength 8 → 3") < said.index("[gauge")
    assert "strength 3" in said.split("[gauge")[1]


def test_a_last_line_without_its_end_counts(scripted, model):
    assert "gyaru: user=one;\n" in run(scripted, model, text="one", SCRIPT_REPLY="ECHO").stdout.decode()


def test_empty_input_and_empty_lines_are_no_messages(scripted, model):
    for text in ["", "\n\n  \n"]:
        done = run(scripted, model, text=text)
        assert done.returncode == 0 and b"You:" not in done.stdout


def test_broken_text_is_mended(scripted, model):
    env = {"SCRIPT_REPLY": "ECHO", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([scripted, "--model", str(model)], input=b"a\xffb\n", capture_output=True, env=env, timeout=60)
    assert "gyaru: user=a\ufffdb;\n" in done.stdout.decode()


def test_a_reply_that_fails_is_told_in_the_exit_status(scripted, model):
    done = run(scripted, model, text="x\n", SCRIPT_FAIL_AT=2)
    assert done.returncode == 1 and b"not finite" in done.stderr and b"not finite" not in done.stdout


def test_once_prints_the_reply_and_nothing_else(scripted, model):
    done = run(scripted, model, "--once", "hi", SCRIPT_REPLY="あーし😀")
    assert done.returncode == 0 and done.stdout.decode() == "あーし😀\n"


def test_once_json_has_exactly_the_stated_fields(scripted, model):
    done = run(scripted, model, "--once", "hi", "--json", "--strength", "4.5", "--visualize-layer", "2", "--visualize-layer", "4", SCRIPT_REPLY='あ|😀||"|\n')
    lines = json_lines(done)
    assert done.returncode == 0 and len(lines) == 6
    for i, line in enumerate(lines[:-1]):
        assert list(line) == ["type", "id", "text", "logprob", "strength", "gauges"]
        assert (line["type"], line["id"], line["strength"], line["logprob"]) == ("token", 100 + i, 4.5, -0.5)
        assert list(line["gauges"]) == ["2", "4"]
        for gauge in line["gauges"].values():
            assert list(gauge) == ["raw", "own"]
            assert gauge["raw"] == pytest.approx(gauge["own"] + 0.045, abs=1e-6)  # the stand-in: a hundredth of the strength
    last = lines[-1]
    assert list(last) == ["type", "text", "finish_reason", "tokens", "tokens_per_second", "first_token_ms"]
    assert (last["type"], last["finish_reason"], last["tokens"]) == ("done", "stop", 5)
    assert last["text"] == "".join(line["text"] for line in lines[:-1]) == 'あ😀"\n'


def test_the_gauge_stands_at_the_lowest_pushed_layer_unless_the_push_is_one_block_early(scripted, model):
    def watched(*options, **settings):
        return list(json_lines(run(scripted, model, "--once", "hi", "--json", *options, **settings))[0]["gauges"])

    assert watched() == ["2"] and watched("--layers", "3-5") == ["3"] and watched("--layers", "5") == ["4"]
    assert watched(SCRIPT_LEGACY=1) == ["4"] and watched("--visualize-layer", "5") == ["5"]


def test_speed_is_told_from_the_first_token_on(scripted, model):
    last = json_lines(run(scripted, model, "--once", "hi", "--json", SCRIPT_REPLY="a" * 20, SCRIPT_DELAY_MS=10))[-1]
    assert last["first_token_ms"] >= 10  # a sleep is never shorter than asked
    assert 0 < last["tokens_per_second"] <= 100


def test_json_without_a_persona(scripted, model):
    lines = json_lines(run(scripted, model, "--once", "hi", "--json", "--vector", "none"))
    assert all(line["gauges"] == {} and line["strength"] is None for line in lines[:-1])


@pytest.mark.parametrize("settings, options, reason", [({}, ["--max-tokens", "2"], "length"), ({"SCRIPT_CONTEXT": 12}, [], "context"), ({}, [], "stop")])
def test_finish_reasons(scripted, model, settings, options, reason):
    done = run(scripted, model, "--once", "hi", "--json", *options, **settings)
    assert done.returncode == 0 and json_lines(done)[-1]["finish_reason"] == reason


def test_ctrl_c_ends_once_with_a_done_line(scripted, model):
    env = {"SCRIPT_REPLY": "abcdefghij" * 60, "SCRIPT_DELAY_MS": "20", "PATH": "/usr/bin:/bin"}
    with subprocess.Popen([scripted, "--model", str(model), "--once", "x", "--json"], stdout=subprocess.PIPE, env=env) as chat:
        chat.stdout.readline()
        interrupt(chat)
        lines = chat.stdout.read().decode().splitlines()
    assert json.loads(lines[-1])["finish_reason"] == "cancelled" and chat.returncode == 130


def test_warnings_go_to_standard_error(scripted, model):
    done = run(scripted, model, "--once", "hi", "--json", SCRIPT_WARN="it is warm", SCRIPT_UNTIED=1)
    assert b"warning: it is warm" in done.stderr and b"which model it was made for" in done.stderr
    json_lines(done)


def test_a_reply_that_was_not_made_is_no_success(scripted, model):
    for options, settings in [(["--once", "hi", "--json"], {"SCRIPT_FAIL_AT": 0}), (["--once", "hi", "--json"], {"SCRIPT_CONTEXT": 3}),
                              (["--once", "hi", "--json", "--vector", "/nowhere.pt"], {}), (["--once", "hi", "--json", "--unit", "gaps"], {})]:
        done = run(scripted, model, *options, **settings)
        assert done.returncode == 1 and done.stderr and b'"done"' not in done.stdout


@pytest.mark.parametrize("options, words", [
    (["--strength", "lots"], "--strength: 'lots' is not a number"), (["--layers", "5-2"], "--layers: '5-2' is not a range of layers"),
    (["--nonsense"], "--nonsense"), (["--json"], "--json needs --once"), (["--once", ""], "the text is empty"),
    (["--config", "/nowhere.yaml"], "cannot read /nowhere.yaml"), (["--max-tokens", "0"], "--max-tokens"), (["--device", "toaster"], "auto, cpu or cuda:N"),
    (["--top-p", "0"], "--top-p"), (["--weights", "int2"], "--weights: 'int2' is not as_stored, int8, int4 or nf4"), (["--strength"], "--strength"), (["--seed", "-1"], "--seed")])
def test_bad_options_give_words_and_status_2(scripted, model, options, words):
    done = run(scripted, model, *options)
    assert done.returncode == 2 and words in done.stderr.decode() and not done.stdout


def test_help_names_every_option(scripted, model):
    done = run(scripted, model, "--help")
    assert done.returncode == 0
    for option in ["--model", "--vector", "--strength", "--unit", "--layers", "--visualize-layer", "--max-tokens", "--config", "--device", "--dtype", "--weights",
                   "--temperature", "--top-p", "--seed", "--system", "--once", "--json"]:
        assert option in done.stdout.decode()


def test_configuration_file(scripted, model, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text(f"model: {{path: {model}, quantization: bitsandbytes}}\ngeneration: {{max_new_tokens: 3, top_k: 5}}\npersona: {{strength: 6, visualize_layer: 2}}\n")
    done = piped([scripted, "--config", str(config), "--once", "x", "--json", "--strength", "7"], env={"SCRIPT_REPLY": "abcdef"})
    lines = json_lines(done)
    assert len(lines) == 4 and lines[0]["strength"] == 7 and list(lines[0]["gauges"]) == ["2"]
    warning = done.stderr.decode()
    assert "model.quantization" in warning and "generation.top_k" in warning and "max_new_tokens" not in warning


def test_a_reader_that_leaves_does_not_crash_it(scripted, model):
    command = f"{scripted} --model {model} --once x | head -c 1 > /dev/null; exit ${{PIPESTATUS[0]}}"
    start = time.monotonic()
    done = subprocess.run(["bash", "-c", command], env={"SCRIPT_REPLY": "a" * 50, "SCRIPT_DELAY_MS": "5", "PATH": "/usr/bin:/bin"}, timeout=60)
    assert done.returncode >= 0 and time.monotonic() - start < 30
