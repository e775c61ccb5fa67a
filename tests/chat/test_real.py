"""The chat on libsteer with a model: no stand-in. What it says is not judged here; that it works is."""
import json

from console import Terminal, piped


def json_lines(done):
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def test_once_json(real):
    done = piped([*real, "--once", "こんにちは", "--json", "--strength", "2", "--seed", "5", "--max-tokens", "24"])
    assert done.returncode == 0, done.stderr.decode()
    *tokens, last = json_lines(done)
    assert last["type"] == "done" and last["tokens"] == len(tokens) > 0
    assert last["text"] == "".join(token["text"] for token in tokens)
    assert all(token["logprob"] <= 0 and token["strength"] == 2 for token in tokens)
    for token in tokens:
        for gauge in token["gauges"].values():
            assert -1 <= gauge["raw"] <= 1 and -1 <= gauge["own"] <= 1
    assert len({gauge["own"] for token in tokens for gauge in token["gauges"].values()}) > len(tokens) // 2  # it moves


def test_the_same_seed_says_the_same_and_strength_0_is_no_persona(real):
    def said(*options):
        done = piped([*real, "--once", "hello", "--json", "--seed", "7", "--max-tokens", "16", *options])
        assert done.returncode == 0, done.stderr.decode()
        return [(token["id"], token["logprob"]) for token in json_lines(done)[:-1]]

    plain = said("--vector", "none")
    assert said("--strength", "0") == plain == said("--strength", "0")


def test_strength_changes_what_is_said_and_where_it_is_read(real):
    def first(strength):
        done = piped([*real, "--once", "hello", "--json", "--seed", "7", "--max-tokens", "4", "--strength", strength])
        return json_lines(done)[0]

    assert first("0")["logprob"] != first("6")["logprob"]


def test_weights_are_packed_as_asked(real):
    """The banner says what the model is, not what was asked for."""
    done = piped([*real, "--weights", "int8", "--max-tokens", "4"], "hello\n")
    if real[0].endswith("_fake"):
        assert done.returncode == 1 and b"has no weights of a checkpoint to pack" in done.stderr
        return
    assert done.returncode == 0, done.stderr.decode()
    assert "with int8 weights on " in done.stdout.decode()
    assert " weights on " not in piped([*real, "--max-tokens", "4"], "hello\n").stdout.decode()


def test_piped_messages(real):
    done = piped([*real, "--strength", "2", "--max-tokens", "12"], "こんにちは\nhello\n")
    out = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert "\x1b" not in out and out.count("You: ") == 2 and out.count("[gauge") == 2


def test_a_conversation_on_a_terminal(real):
    with Terminal([*real, "--strength", "2", "--max-tokens", "24", "--seed", "3"]) as t:
        t.until_text("You ›")
        t.screen.wrapped = False  # by warnings, which came before the screen was ours
        t.type("こんにちは\n")
        t.until_idle(1)
        t.type("/strength 4 8\n")
        t.until_text("2 → 4 over 8 tokens")
        t.type("もっと話して\n")
        t.until_idle(2)
        t.type("/strength 0\nexit\n")
        assert t.end() == 0 and t.restored() and not t.screen.wrapped


def test_words_for_what_is_not_there_yet(real):
    done = piped([*real, "--once", "x", "--json", "--unit", "gaps"])
    assert done.returncode == 1 and b"calibrat" in done.stderr and not done.stdout
