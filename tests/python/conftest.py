"""Fixtures of the Python tests: the library, probes that the build made, and checkpoints with random weights."""

import glob
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import steer_c  # noqa: E402


def built(name):
    """The newest program of that name in any build folder, or a skip that says what is missing."""
    found = glob.glob(str(steer_c.REPOSITORY / "build" / "*" / "bin" / name))
    if not found:
        pytest.skip(f"{name} is not built (cmake --build build/... --target {name})")
    return max(found, key=os.path.getmtime)


@pytest.fixture(scope="session")
def library():
    """libsteer, opened; with STEER_LIBRARY set it must open."""
    try:
        return steer_c.lib()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def probe():
    """built(name), for tests that drive a program."""
    return built
