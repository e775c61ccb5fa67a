"""The chat as it is seen on a terminal: the stand-in says what each test wrote down, a screen model shows what is left of it."""
import json
import re
import signal
import time

import pytest
from console import Terminal
from screen import width

GAUGE = re.compile(r"^(gyaru L\d) ([█▏▎▍▌▋▊▉░]{20}) ([+-]\d\.\d{4})  (.*)$", re.M)


def start(scripted, model, *options, reply="hello", delay=0, **settings):
    columns, rows = settings.pop("columns", 80), settings.pop("rows", 24)
    env = {"SCRIPT_REPLY": reply, "SCRIPT_DELAY_MS": str(delay)}
    env.update({key: str(value) for key, value in settings.items()})
    return Terminal([scripted, "--model", str(model), *options], env, columns, rows)


def test_banner_reply_gauge_and_end(scripted, model):
    with start(scripted, model, "--strength", "8", reply="やっほー、あーしだよ😀") as t:
        t.until_text("You ›")
        shown = t.screen.text()
        assert re.search(r"persona +gyaru", shown) and re.search(r"strength +8 raw", shown) and re.search(r"layers +2-3", shown)
        t.type("こんにちは\n")
        t.until_idle(1)
        shown = t.screen.text()
        assert "  You › こんにちは\ngyaru › やっほー、あーしだよ😀\ngyaru L2 " in shown
        assert len(GAUGE.findall(shown)) == 1  # rewritten in place, not once a token
        t.type("exit\n")
        assert t.end() == 0
        assert t.restored() and not t.screen.wrapped
        assert t.raw.count("\x1b[?2004h") == t.raw.count("\x1b[?2004l") == 1


def test_the_gauge_is_redrawn_with_each_token_pink_above_zero_and_blue_below(scripted, model):
    with start(scripted, model, reply="abcdefghij", delay=30) as t:
        t.until_text("You ›")
        t.type("x\n")
        seen = {}
        end = time.monotonic() + 20
        while time.monotonic() < end and Terminal.ended(t.screen.text()) == 0:
            t.read(0.05)
            for label, bar, value, note in GAUGE.findall(t.screen.text()):
                seen[value] = (bar, t.screen.colour_of(value))
        t.until_idle(1)
        assert len(seen) >= 8
        assert len({bar for bar, _ in seen.values()}) >= 4  # it moves
        for value, (bar, colour) in seen.items():
            assert ("95" in colour) == (value[0] == "+"), (value, colour)
            assert ("94" in colour) == (value[0] == "-"), (value, colour)


def test_one_value_is_shown_where_nothing_was_pushed_at_or_below_the_gauge(scripted, model):
    with start(scripted, model, "--strength", "0") as t:
        t.until_text("You ›")
        t.type("x\n")
        t.until_idle(1)
        assert " own " not in t.screen.text()
        t.type("/strength 2\nx\n")
        t.until_idle(2)
        assert "mean own" in t.screen.text()


def test_each_watched_layer_has_its_line(scripted, model):
    with start(scripted, model, "--visualize-layer", "2", "--visualize-layer", "4") as t:
        t.until_text("You ›")
        t.type("x\n")
        t.until(lambda shown: Terminal.ended(shown) >= 2)
        assert [found[0] for found in GAUGE.findall(t.screen.text())] == ["gyaru L2", "gyaru L4"]


def test_a_strength_typed_in_mid_sentence_acts_on_what_follows(scripted, model):
    with start(scripted, model, "--strength", "8", reply="abcdefghijklmnopqrstuvwxyz" * 2, delay=40) as t:
        t.until_text("You ›")
        t.type("x\n")
        t.until_text("gyaru › abcd")
        t.until_text("strength 8")
        t.type("/strength 12.5\n")
        t.until_text("strength 8 → 12.5")
        before_end = Terminal.ended(t.screen.text()) == 0
        t.until(lambda shown: any("strength 12.5" in note for *_, note in GAUGE.findall(shown)), "the new strength in the gauge line")
        assert before_end
        t.until_idle(1)
        said = re.sub(r"[^a-z]", "", re.sub(r"│.*", "", t.screen.text().split("gyaru › ", 1)[1].split("gyaru L2")[0]))
        assert said == "abcdefghijklmnopqrstuvwxyz" * 2  # nothing of the reply was lost


def test_a_ramp_goes_there_step_by_step(scripted, model):
    with start(scripted, model, "--strength", "0", reply="abcdefghijklmnopqrstuvwxyz", delay=40) as t:
        t.until_text("You ›")
        t.type("/strength 10 10\n")
        t.until_text("over 10 tokens")
        t.type("x\n")
        strengths = set()
        while Terminal.ended(t.screen.text()) == 0:
            t.read(0.05)
            strengths |= {re.search(r"strength ([\d.]+)", note)[1] for *_, note in GAUGE.findall(t.screen.text()) if "strength" in note}
        assert {"3", "7", "10"} <= strengths


def test_other_text_typed_meanwhile_is_the_next_message(scripted, model):
    with start(scripted, model, reply="ECHO", delay=15) as t:
        t.until_text("You ›")
        t.type("one\n")
        t.until_text("gyaru › u")
        t.type("tw")
        t.until_text("You › tw")  # it is shown while the reply goes on
        t.type("o\n")
        t.until_text("next › two")
        t.until(lambda shown: Terminal.ended(shown) == 2 and Terminal.idle(shown))
        shown = t.screen.text()
        assert "next ›" not in shown
        assert "gyaru › user=one;\n" in shown
        assert "gyaru › user=one;assistant=user=one;;user=two;\n" in shown  # history is kept


def test_ctrl_c_stops_the_reply_and_the_chat_goes_on(scripted, model):
    with start(scripted, model, reply="abcdefghijklmnopqrstuvwxyz" * 9, delay=20) as t:
        t.until_text("You ›")
        t.type("x\n")
        t.until_text("gyaru › abc")
        t.type("\x03")
        t.until_text("stopped")
        t.until_idle(1)
        assert "z" * 1 + "abcdefghijklmnopqrstuvwxyz" * 8 not in t.screen.text()
        time.sleep(1.6)  # not quickly: the next one does not leave
        t.type("\x03")
        t.until_text("Ctrl-C again leaves")
        t.type("y\n")
        t.until_text("gyaru › abc", times=2)
        t.type("\x03")
        t.until_idle(2)
        time.sleep(1.6)
        t.type("exit\n")
        assert t.end() == 0


def test_ctrl_c_twice_quickly_ends_the_program(scripted, model):
    with start(scripted, model, reply="abcdefghijklmnopqrstuvwxyz" * 9, delay=20) as t:
        t.until_text("You ›")
        t.type("x\n")
        t.until_text("gyaru › abc")
        t.type("\x03")
        time.sleep(0.2)
        t.type("\x03")
        assert t.end() == 130
        assert t.restored()


def test_a_backend_that_does_not_answer_cannot_hold_the_program(scripted, model):
    with start(scripted, model, reply="abc", delay=0, SCRIPT_HANG_AT=1) as t:
        t.until_text("You ›")
        t.type("x\n")
        t.until_text("gyaru › a")
        t.type("\x03")
        time.sleep(0.2)
        t.type("\x03")
        assert t.end() == 130
        assert t.restored()


def test_ctrl_d_ends_cleanly_after_the_reply(scripted, model):
    with start(scripted, model, reply="abcdef", delay=30) as t:
        t.until_text("You ›")
        t.type("x\n")
        t.until_text("gyaru › a")
        t.type("\x04")
        assert t.end() == 0
        assert "gyaru › abcdef" in t.screen.text() and t.restored()


@pytest.mark.parametrize("word", ["exit", "quit", "q"])
def test_leaving_in_mid_reply(scripted, model, word):
    with start(scripted, model, reply="abcdefghij" * 30, delay=20) as t:
        t.until_text("You ›")
        t.type("x\n")
        t.until_text("gyaru › ab")
        t.type(word + "\n")
        assert t.end() == 0 and t.restored()


def test_a_hang_up_ends_it(scripted, model):
    with start(scripted, model, reply="abcdefghij" * 30, delay=20) as t:
        t.until_text("You ›")
        t.type("x\n")
        t.until_text("gyaru › ab")
        t.process.send_signal(signal.SIGTERM)
        assert t.end() == 128 + signal.SIGTERM and t.restored()


def is_stopped(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] == "T"


def test_suspend_gives_the_terminal_back_meanwhile(scripted, model):
    with start(scripted, model) as t:
        t.until_text("You ›")
        t.type("half")
        t.until_text("You › half")
        t.process.send_signal(signal.SIGTSTP)
        end = time.monotonic() + 10
        while not is_stopped(t.process.pid) and time.monotonic() < end:  # one that comes before it stops is lost
            t.read(0.05)
        assert t.restored() and is_stopped(t.process.pid)
        t.process.send_signal(signal.SIGCONT)
        t.until(lambda shown: shown.rstrip().endswith("You › half"))
        t.type(" done\n")
        t.until_idle(1)
        assert "You › half done" in t.screen.text()


@pytest.mark.parametrize("columns", [12, 24, 40, 41, 80, 200])
def test_wide_characters_stay_inside_every_window(scripted, model, columns):
    reply = "あーし😀はリンネ！Hello wonderful world、今日もアゲてこ〜👍 ｶﾀｶﾅ混じり、한국어도。" * 2
    with start(scripted, model, reply=reply, columns=columns, rows=40) as t:
        t.until(lambda shown: "›" in shown)
        t.type("日本語の質問です、とても長いので折り返すはず😀\n")
        t.until(lambda shown: re.search(r"[+-]\d\.\d{4}", shown) and Terminal.idle(shown) and shown.count("👍") == 2, "the reply")
        assert not t.screen.wrapped
        lines = t.screen.text().split("\n")
        first = next(i for i, line in enumerate(lines) if line.startswith("gyaru › "))
        said = []
        for line in lines[first:]:
            if GAUGE.match(line) or re.match(r"^(gyaru L2.*|[+-]\d\.\d{4}.*)$", line):
                break
            assert sum(width(c) for c in line) < columns
            said.append(line.removeprefix("gyaru › "))
        if columns >= 41:
            assert all(line.startswith("        ") for line in said[1:])  # under the text, not under the name
        assert "".join("".join(said).split()) == "".join(reply.split())


def test_gauge_columns_line_up_whatever_the_name(scripted, model):
    (model / "vectors" / "gyaru.safetensors").write_text("ギャル😀\n")
    with start(scripted, model, "--visualize-layer", "2", "--visualize-layer", "4") as t:
        t.until_text("You ›")
        t.type("x\n")
        t.until(lambda shown: Terminal.ended(shown) == 2)
        columns = []
        for line in t.screen.lines:
            text = "".join(line)
            if " L2 " in text or " L4 " in text:
                cells = [i for i, cell in enumerate(line) if cell and cell in "█▏▎▍▌▋▊▉░"]
                assert cells == list(range(cells[0], cells[0] + 20))
                columns.append(cells[0])
        assert len(columns) == 2 and columns[0] == columns[1]


def test_typing_wide_characters_and_taking_them_back(scripted, model):
    with start(scripted, model, reply="ECHO") as t:
        t.until_text("You ›")
        t.type("あい😀う")
        t.until_text("You › あい😀う")
        assert (t.screen.column, t.screen.lines[t.screen.row][8]) == (16, "あ")
        t.type("\x7f\x7f")
        t.until(lambda shown: shown.rstrip().endswith("You › あい"))
        assert t.screen.column == 12
        t.type("\x1b[Dん\n")
        t.until_text("gyaru › user=あんい;")


def test_a_reply_taller_than_the_window_keeps_every_line(scripted, model):
    words = " ".join(f"word{i:03}" for i in range(120))
    with start(scripted, model, "--max-tokens", "2000", reply=words, columns=40, rows=8) as t:
        t.until_text("You ›")
        t.type("x\n")
        t.until(lambda shown: "word119" in shown and Terminal.idle(shown))
        assert re.findall(r"word\d{3}", t.screen.text()) == [f"word{i:03}" for i in range(120)]
        assert not t.screen.wrapped


def test_a_window_that_shrinks_in_mid_reply(scripted, model):
    with start(scripted, model, "--max-tokens", "500", reply="abcdefgh " * 30, delay=5, columns=80) as t:
        t.until_text("You ›")
        t.type("x\n")
        t.until_text("gyaru › abcdefgh abcdefgh")
        t.resize(50, 24)
        t.until(lambda shown: shown.count("abcdefgh") == 30 and Terminal.idle(shown), "the whole reply")
        assert "  You › x\ngyaru › abcdefgh" in t.screen.text()


def test_escape_codes_in_a_reply_are_not_obeyed(scripted, model):
    with start(scripted, model, reply="a\x1b[2J\x1b]0;title\x07b\x9b31mc") as t:
        t.until_text("You ›")
        t.type("x\n")
        t.until_idle(1)
        assert "gyaru › a\ufffd[2J\ufffd]0;title\ufffdb\ufffd31mc" in t.screen.text()
        assert "\x1b[2J" not in t.raw and "\x1b]0" not in t.raw


def test_commands(scripted, model, tmp_path):
    saved = tmp_path / "my chat.json"
    with start(scripted, model, "--strength", "8", "--system", "be kind", reply="ECHO") as t:
        t.until_text("You ›")
        t.type("one\n")
        t.until_idle(1)
        t.type("/help\n")
        t.until_text("/save FILE")
        t.type("/layers\n")
        t.until_text("pushed in: 2-3; watched: 2")
        t.type("/layers 1-4\n")
        t.until_text("pushed in layers 1-4")
        t.type("/gauge\n")
        t.until_text("gyaru L2 own  now")
        t.type("/gauge own\n")
        t.until_text("the bars show the own reading")
        t.type("/strength\n")
        t.until(lambda shown: "│ strength 8 raw" in shown.split("own reading")[-1])
        t.type(f"/save {saved}\n")
        t.until_text("saved 3 messages")
        t.type("/reset\n/strength 2\n/layers 2\n")
        t.until_text("pushed in layers 2")
        t.type("two\n")
        t.until_text("gyaru › system=be kind;user=two;\n")
        t.type(f"/load {saved}\n")
        t.until_text("loaded 3 messages, strength 8")
        t.type("three\n")
        t.until_text("user=one;assistant=system=be kind;user=one;;user=three;")
        for wrong, words in [("/strength much", "'much' is not a number"), ("/layers 9-1", "is not a range of layers"), ("/layers 7-9", "has rows for layers"),
                             ("/nonsense", "/nonsense is no command"), ("/load /nowhere.json", "cannot read /nowhere.json"), ("/save", "/save FILE"),
                             ("/save /nowhere/x", "cannot write /nowhere/x"), ("/strength 1 2 3", "/strength X")]:
            t.type(wrong + "\n")
            t.until(lambda shown: words in shown.split("three;")[-1], words)
        t.type("exit\n")
        assert t.end() == 0
    content = json.loads(saved.read_text())
    assert [m["role"] for m in content["messages"]] == ["system", "user", "assistant"]
    assert content["persona"]["strength"] == 8 and content["persona"]["layers"] == "1-4"


def test_reset_in_mid_reply_stops_it_first(scripted, model):
    with start(scripted, model, reply="ECHO", delay=30) as t:
        t.until_text("You ›")
        t.type("a long first message\n")
        t.until_text("gyaru › user")
        t.type("/reset\n")
        t.until_text("a new conversation")
        t.type("two\n")
        t.until_text("gyaru › user=two;\n")


def test_saving_in_mid_reply_keeps_what_was_said_so_far(scripted, model, tmp_path):
    saved = tmp_path / "chat.json"
    with start(scripted, model, reply="abcdefghij" * 20, delay=20) as t:
        t.until_text("You ›")
        t.type("x\n")
        t.until_text("gyaru › abcdef")
        t.type(f"/save {saved}\n")
        t.until_text("saved 2 messages")
    last = json.loads(saved.read_text())["messages"][-1]
    assert last["role"] == "assistant" and ("abcdefghij" * 20).startswith(last["content"]) and len(last["content"]) >= 6


def test_the_prompt_is_counted_down_while_it_is_read(scripted, model):
    with start(scripted, model, delay=100, SCRIPT_PROMPT_STEPS=4) as t:
        t.until_text("You ›")
        t.type("x\n")
        t.until_text("reading: 301 tokens to go")
        t.until_text("reading: 101 tokens to go")
        t.until_idle(1)
        assert "reading" not in t.screen.text()


def test_a_failure_in_mid_reply_is_told_and_the_chat_goes_on(scripted, model):
    with start(scripted, model, reply="abcdef", SCRIPT_FAIL_AT=3) as t:
        t.until_text("You ›")
        t.type("x\n")
        t.until_text("the logits are not finite")
        assert "gyaru › abc\n" in t.screen.text()
        t.type("/help\n")
        t.until_text("/save FILE")


def test_a_full_context_is_told(scripted, model):
    with start(scripted, model, SCRIPT_CONTEXT=30) as t:
        t.until_text("You ›")
        t.type("a message that is much too long for it\n")
        t.until_text("the list is longer than the context")
        t.type("short\n")
        t.until_text("gyaru › hello")  # the long one was not kept


def test_warnings_of_the_library_do_not_tear_the_screen(scripted, model):
    with start(scripted, model, reply="abcdef", delay=20, SCRIPT_WARN="the weights are warm") as t:
        t.until_text("You ›")
        t.type("x\n")
        t.until_idle(1)
        assert "│ the weights are warm" in t.screen.text()


def test_without_colour_nothing_is_coloured(scripted, model):
    with start(scripted, model, NO_COLOR=1) as t:
        t.until_text("You ›")
        t.type("x\n")
        t.until_idle(1)
        assert not re.search(r"\x1b\[[1-9][0-9;]*m", t.raw)


def test_messages_from_a_pipe_on_a_terminal(scripted, model, tmp_path):
    script = tmp_path / "in.txt"
    script.write_text("one\ntwo\n")
    with Terminal(["sh", "-c", f"exec {scripted} --model {model} < {script}"], {"SCRIPT_REPLY": "ECHO"}) as t:
        assert t.end() == 0
        assert "  You › one\ngyaru › user=one;\n" in t.screen.text()
        assert "user=two;" in t.screen.text() and "\x1b[9" in t.raw
        assert Terminal.ended(t.screen.text()) == 2


def test_a_long_load_shows_its_progress_and_ctrl_c_ends_it(scripted, model):
    with start(scripted, model, SCRIPT_LOAD_MS=4000) as t:
        t.until_text("loading ")
        t.until_text("%")
        t.type("\x03")
        assert t.end() == 130
