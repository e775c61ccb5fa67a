"""Everything in steer.h can be reached from Python: functions, constants, options; and the stub tells the truth."""

import inspect
import re
import subprocess
from pathlib import Path

import steer
from steer import _steer

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = REPOSITORY / "bindings" / "python"
HEADER = (REPOSITORY / "include/steer/steer.h").read_text(encoding="utf-8")
CODE = re.sub(r"/\*.*?\*/", "", HEADER, flags=re.DOTALL)
PACKAGE = {path.name: path.read_text(encoding="utf-8") for path in (SOURCES / "steer").glob("*.py")}
MODULE = "\n".join(path.read_text(encoding="utf-8") for path in sorted((SOURCES / "src").iterdir()))
STUB = (SOURCES / "steer" / "_steer.pyi").read_text(encoding="utf-8")


def test_every_function_is_linked_by_the_module():
    functions = set(re.findall(r"^STEER_API [^;(]*?\b(steer_\w+)\(", CODE, re.MULTILINE))
    assert len(functions) > 50
    table = subprocess.run(["nm", "-D", "--undefined-only", _steer.__file__], capture_output=True, text=True, check=True).stdout
    assert functions - set(re.findall(r"\bU (steer_\w+)", table)) == set()


def test_every_function_of_the_module_is_used_by_the_package():
    bound = set(re.findall(r'\bdef(?:_static|_property_readonly)?\("(\w+)"', MODULE))
    bound |= set(re.findall(r'(?:number|flag)\("(\w+)"', MODULE))
    used = "\n".join(PACKAGE.values())
    step = {name for name in vars(_steer.Step) if not name.startswith("_")}  # handed to the host as it is
    unused = {name for name in bound - step if not name.startswith("_") and not re.search(rf"\.{name}\b", used)}
    assert len(bound) > 60 and unused == set()


def test_every_constant_has_a_name():
    """But those that are flags (booleans in Python) and NONE of a finish (None)."""
    constants = set(re.findall(r"\b(STEER_[A-Z0-9_]+)\s*=\s*-?[\d(]", CODE)) - {"STEER_OK", "STEER_FINISH_NONE"}
    flags = {name for name in constants if re.search(rf"{name}\s*=\s*1u <<", CODE)}
    statuses = {name for name in constants if name.startswith("STEER_ERR_")}
    named = set(re.findall(r'\{"\w+", (STEER_\w+)\}', MODULE))
    assert len(named) > 60 and constants - flags - statuses - named == set()
    for name, value in re.findall(r"\b(STEER_ERR_\w+) = (-\d+)", CODE):
        assert _steer.status_name(int(value)) == name
        assert steer.errors.make(int(value), name, "words").__class__ is not steer.SteerError, name


def test_names_are_those_of_the_header():
    for text, constant in re.findall(r'\{"(\w+)", (STEER_\w+)\}', MODULE):
        assert constant.lower().endswith("_" + text), constant


def test_literals_are_the_names():
    """The types of the package list the same names as the module takes."""
    tables = {name: re.findall(r'\{"(\w+)"', body) for name, body in re.findall(r"k(\w+)\[\] = \{(.*?)\};", MODULE, re.DOTALL)}
    singular = {"Weights": "Weights", "Rows": "Rows", "Residencies": "Residency", "Priorities": "Priority"}
    for table, names in tables.items():
        literal = getattr(steer.types, singular.get(table, table[:-1]), None)
        if literal is not None:
            assert list(literal.__args__) == names, table


def test_every_option_is_asked_for():
    """Of each options struct: a keyword of the module, by the header's own name unless it is told here why not."""
    otherwise = {
        "struct_size", "progress_fn", "progress_user", "flags",  # C's own
        "vector", "condition_count", "data_size", "message_count", "messages",  # arguments, counts
        "stop_text_count", "stop_token_count", "bias_count", "data",
    }
    fields = set()
    for name, body in re.findall(r"typedef struct (steer_\w+) \{(.*?)\} \1;", CODE, re.DOTALL):
        if name.endswith("_options") or name == "steer_chat":
            for declaration in body.split(";"):
                fields |= set(re.findall(r"(\w+)\s*(?:,|$)", declaration.strip()))
    fields -= otherwise
    taken = set(re.findall(r'(?:take|pop)\("(\w+)"', MODULE))
    assert len(fields) > 50 and fields - taken == set()


def test_the_stub_is_the_module():
    for name, value in vars(_steer).items():
        if name.startswith("__"):
            continue
        assert re.search(rf"^(?:class|def) {name}\b", STUB, re.MULTILINE), name
        if inspect.isclass(value):
            body = re.search(rf"^class {name}:\n(.*?)(?=^\S|\Z)", STUB, re.MULTILINE | re.DOTALL).group(1)
            told = set(re.findall(r"^    def (\w+)", body, re.MULTILINE))
            there = {one for one in vars(value) if not one.startswith("_") or one == "__getitem__"}
            assert told == there, name


def test_everything_public_is_documented_and_listed():
    for name in steer.__all__:
        value = getattr(steer, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert (value.__doc__ or "").strip() or name == "Step", name
    exported = {name for name, value in vars(steer).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert exported - {"annotations"} == set(steer.__all__)
