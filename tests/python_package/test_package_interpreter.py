"""How the package lives with the interpreter: its lock, its end, fork, subinterpreters, torch, the keyboard. Each in a process."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

import steer

BEGIN = """
import os, sys, threading, time
import steer
model = steer.Model.from_pretrained(steer.demo_model_path(), device="cpu")
session = model.session()
session.set_generation(temperature=0.0, stop_tokens=[])
"""


def run(code, status=0, **environment):
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", code], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **environment})  # fmt: skip
    assert done.returncode == status, done.stderr
    return done.stdout


def test_the_lock_is_let_go_while_a_reply_is_spoken(demo):
    """read is one call: were the lock held in it, nobody here could see its tokens being counted."""
    session = demo.session()
    session.set_generation(temperature=0.0, stop_tokens=[], token_max=150)
    reply = session.chat("hello")
    thread = threading.Thread(target=reply.read)
    counts = set()
    thread.start()
    while thread.is_alive():
        counts.add(session.info.reply_count)
    thread.join()
    assert len(counts - {0, 150}) > 2


def test_controls_from_other_threads_act_on_the_reply_that_is_spoken(demo, persona):
    session = demo.session()
    session.set_generation(temperature=0.0, stop_tokens=[], token_max=400)
    push = session.steer(persona, 0.0)
    reply = session.chat("hello")
    thread = threading.Thread(target=reply.read)
    thread.start()
    while session.info.reply_count < 3:
        pass
    push.set(8.0)
    seen = session.info.reply_count
    while session.info.reply_count < seen + 3 and thread.is_alive():
        pass
    session.cancel()
    thread.join()
    values = [step[push] for step in reply.steps if step.token is not None]
    assert values[0] == 0.0 and values[-1] == 8.0 and reply.finish == "cancelled" and len(values) < 400


def test_a_second_thread_in_the_conversation_is_told_so(demo):
    session = demo.session()
    session.set_generation(temperature=0.0, stop_tokens=[], token_max=200)
    reply = session.chat("hello")
    ended = []

    def speak():
        with pytest.raises(steer.CancelledError):
            reply.read()
        ended.append(True)

    thread = threading.Thread(target=speak)
    thread.start()
    while session.info.reply_count < 3:
        pass
    for call in (session.step, lambda: session.chat("x"), lambda: session.set_tokens([1]), session.save_state):
        with pytest.raises(steer.BusyError):
            call()
    session.close()  # the call that runs ends with it
    thread.join()
    assert ended


@pytest.mark.parametrize("work", [
    "session.chat('hello').read()",
    "[step for step in session.chat('hello')]",
    "import asyncio; asyncio.run(session.chat('hello').read_async())",
    "session.observe(lambda *_: None, [0, 1, 2]); session.chat('hello').read()",
    "[steer.Model.from_pretrained(steer.demo_model_path(), progress=lambda share: None) for _ in range(100)]",
    "[steer.Vector.extract(model, [('a b', 'c d'), ('e f', 'g h')], progress=lambda share: None) for _ in range(1000)]",
    "[model.session().fork() for _ in range(1000000)]",
], ids=["read", "for", "async", "observe", "load", "extract", "destructors"])  # fmt: skip
def test_daemon_threads_do_not_disturb_the_end(work):
    """Many ends at many moments: a thread that came back into an interpreter that has ended would abort or crash it."""
    code = BEGIN + f"""
def work():
    begun.set()
    {work}
begun = threading.Event()
threading.Thread(target=work, daemon=True).start()
begun.wait()
time.sleep(float(os.environ["PAUSE"]))
print("end")
"""
    for pause in ("0", "0.02", "0.05", "0.113"):
        assert run(code, PAUSE=pause) == "end\n"


def test_objects_that_are_left_at_the_end_are_no_trouble():
    run(BEGIN + """
dial = session.gauge(steer.Vector.from_file(steer.demo_vector_path()))
reply = session.chat("hello")
next(reply)
class Late:
    def __init__(self): self.row = steer.Vector.from_file(steer.demo_vector_path())[3]; self.session = model.session()
    def __del__(self): self.session.close(); self.row.sum()
late = Late(); late.self = late
""")  # fmt: skip


def test_the_child_of_a_fork_is_refused_in_words():
    out = run(BEGIN + """
thread = threading.Thread(target=session.chat("hello").read, daemon=True)
thread.start()
child = os.fork()
if child == 0:
    for call in (session.step, lambda: model.encode("x"), lambda: model.session(), lambda: session.info):
        try:
            call()
            print("not refused", flush=True)
        except steer.StateError as error:
            print("forked" in str(error), flush=True)
    del session
    sys.exit(3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
session.cancel()
thread.join()
print(model.decode(model.encode("the parent goes on")))
""")  # fmt: skip
    assert out == "True\n" * 4 + "the parent goes on\n"


def test_a_subinterpreter_is_refused_with_the_reason():
    out = run("""
import _xxsubinterpreters as interpreters
import steer
one = interpreters.create(isolated=False)
try:
    interpreters.run_string(one, "import steer._steer")
    print("not refused")
except interpreters.RunFailedError as error:
    print(error)
interpreters.destroy(one)
print(steer.version())
""") if sys.version_info < (3, 13) else pytest.skip("the module of subinterpreters has another name here")  # fmt: skip
    assert "subinterpreter" in out and out.endswith(steer.version() + "\n")


@pytest.mark.parametrize("order", ["import torch, steer", "import steer; model = steer.Model.from_pretrained(steer.demo_model_path(), device='cpu'); import torch"])
def test_torch_before_or_after(order):
    out = run(order + """
model = steer.Model.from_pretrained(steer.demo_model_path(), device="cpu")
x = torch.arange(6.0).reshape(2, 3)
assert (x @ x.T).tolist() == [[5.0, 14.0], [14.0, 50.0]]
vector = steer.Vector.from_rows(torch.ones(8, model.info.hidden_size, requires_grad=True) * 0.1)
session = model.session()
session.steer(vector, 0.1)
session.set_generation(temperature=0.0, token_max=4)
print(len(session.chat("hello").tokens) or len(session.chat("hello").read()) > 0)
maps = {line.split()[-1] for line in open("/proc/self/maps") if "libtorch_cpu.so" in line}
print(len(maps))
""")  # fmt: skip
    assert out == "True\n1\n"


@pytest.fixture
def other_torch(tmp_path):
    """A package torch of another version, as far as libsteer looks at one."""
    (tmp_path / "torch" / "lib").mkdir(parents=True)
    (tmp_path / "torch" / "__init__.py").write_text("")
    (tmp_path / "other.c").write_text("unsigned long long aoti_torch_abi_version(void) { return 2ull << 56 | 3ull << 48 | 1ull << 40; }\n")
    library = tmp_path / "torch" / "lib" / "libtorch_cpu.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-Wl,-soname,libtorch_cpu.so", "-o", library, tmp_path / "other.c"], check=True)
    return library


def test_a_torch_of_another_version_is_refused_with_both_versions_and_paths(other_torch):
    out = run("""
import sys
sys.path.insert(0, __import__("os").environ["OTHER"])
import steer
try:
    steer.Model.from_pretrained(steer.demo_model_path(), device="cpu")
except steer.StateError as error:
    print(error)
print(steer.Model.from_pretrained(steer.demo_model_path(), residency="none").decode([300]) != "")
""", OTHER=str(other_torch.parent.parent.parent))  # fmt: skip
    words, still = out.splitlines()
    for part in ("2.3.1", torch.__version__.split("+")[0], str(other_torch)[:100], "libsteer_torch.so"):
        assert part in words, words
    assert still == "True"  # without weights it goes on


def test_a_key_press_ends_a_reply_and_a_load():
    for work in ("session.chat('hello').read()", "[steer.Model.from_pretrained(steer.demo_model_path()) for _ in range(100)]"):
        out = run(BEGIN + f"""
import _thread
session.set_generation(temperature=0.0, stop_tokens=[])
threading.Timer(0.05, _thread.interrupt_main).start()
try:
    {work}
except KeyboardInterrupt:
    print("interrupted", session.info.reply_count < 900)
""")  # fmt: skip
        assert out == "interrupted True\n"


def test_the_package_stands_where_it_says():
    from importlib.metadata import distribution

    try:
        wheel = distribution("steer")
    except ModuleNotFoundError:
        pytest.skip("the package is not installed as a wheel here")
    assert wheel.version == steer.version() == steer.__version__
    needed = {need.split(";")[0].strip() for need in wheel.requires}
    assert f"torch=={torch.__version__.split('+')[0]}" in needed and any(need.startswith("numpy") for need in needed)
    folder = Path(steer.__file__).parent
    for name in ("py.typed", "_steer.pyi", "libsteer_torch.so", "demo_model/model.safetensors"):
        assert (folder / name).exists(), name
    assert wheel.metadata["License-Expression"] == "MIT"
