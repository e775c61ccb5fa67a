"""The ctypes mirror of the C header is complete and laid out as a C compiler lays it out."""

import ctypes
import re
import shutil
import subprocess

import pytest

import steer_c

HEADER = steer_c.REPOSITORY / "include" / "steer" / "steer.h"
CODE = re.sub(r"/\*.*?\*/|^\s*#.*?$", "", HEADER.read_text(), flags=re.S | re.M)
STRUCTS = re.findall(r"typedef struct steer_(\w+)\s*\{(.*?)\}\s*steer_\w+\s*;", CODE, flags=re.S)


def mirror(name):
    if name == "step":
        return steer_c.StepStruct
    return getattr(steer_c, "".join(part.capitalize() for part in name.split("_")))


def field_names(body):
    names = []
    for declaration in filter(str.strip, body.split(";")):
        for part in declaration.split(","):
            names.append(re.search(r"(\w+)\s*(\[\d+\])?\s*$", part).group(1))
    return names


def test_structs_have_the_headers_fields():
    assert len(STRUCTS) >= 20
    for name, body in STRUCTS:
        assert [field for field, _ in mirror(name)._fields_] == field_names(body), name


def test_structs_lie_as_the_compiler_lays_them(tmp_path):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to ask")
    lines, expected = [], []
    for name, body in STRUCTS:
        kind = mirror(name)
        lines.append(f'printf("%zu\\n", sizeof(steer_{name}));')
        expected.append((name, "", ctypes.sizeof(kind)))
        for field in field_names(body):
            member = f"sizeof(((steer_{name} *)0)->{field})"
            lines.append(f'printf("%zu %zu\\n", offsetof(steer_{name}, {field}), {member});')
            expected.append((name, field, f"{getattr(kind, field).offset} {getattr(kind, field).size}"))
    source = tmp_path / "layout.c"
    body = "\n".join(lines)
    source.write_text(f'#include "steer/steer.h"\n#include <stdio.h>\nint main(void) {{\n{body}\nreturn 0;\n}}\n')
    subprocess.run([compiler, "-I", HEADER.parents[1], source, "-o", tmp_path / "layout"], check=True)
    told = subprocess.run([tmp_path / "layout"], check=True, capture_output=True, text=True).stdout.splitlines()
    ours = [(name, field, str(size)) for name, field, size in expected]
    assert ours == [(name, field, size) for (name, field, _), size in zip(expected, told, strict=True)]


def test_constants_have_the_headers_values():
    found = 0
    for body in re.findall(r"\benum\s*\{(.*?)\}", CODE, flags=re.S):
        for item in filter(str.strip, body.split(",")):
            name, value = re.match(r"\s*STEER_(\w+)\s*=\s*(.+?)\s*$", item).groups()
            assert getattr(steer_c, name) == eval(value.replace("u", "")), name
            found += 1
    assert found > 100


def test_functions_are_the_headers():
    declared = {}
    for result, name, arguments in re.findall(r"STEER_API\s+([\w ]+?[\s*]+)(steer_\w+)\((.*?)\)\s*;", CODE, flags=re.S):
        declared[name] = 0 if arguments.strip() == "void" else arguments.count(",") + 1
    assert {name: len(arguments) for name, (_, arguments) in steer_c.FUNCTIONS.items()} == declared
