"""Fixtures of the Python tests: the library, probes that the build made, and checkpoints with random weights."""

import glob
import os
import sys

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small matrices: a second thread costs more than it does
sys.path.insert(0, os.path.dirname(__file__))

import steer_c  # noqa: E402


def built(name):
    """A program of the build, in the folder STEER_BIN names, else the newest in build/*/bin; a skip without one."""
    folder = os.environ.get("STEER_BIN", str(steer_c.REPOSITORY / "build" / "*" / "bin"))
    found = glob.glob(os.path.join(folder, name))
    if not found:
        pytest.skip(f"{name} is not in {folder}: cmake --build ... --target {name}")
    return max(found, key=os.path.getmtime)


@pytest.fixture(scope="session")
def library():
    """libsteer, opened; with STEER_LIBRARY set it must open."""
    try:
        return steer_c.lib()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def torch_library(library):
    """libsteer with libsteer_torch beside it: what models are run with."""
    if not os.path.exists(os.path.join(os.path.dirname(steer_c.find_library()), "libsteer_torch.so")):
        pytest.skip("libsteer_torch.so is not built: models cannot be run")
    return library


@pytest.fixture(scope="session")
def probe():
    """built(name), for tests that drive a program."""
    return built


@pytest.fixture(scope="module", params=["cpu", "cuda:0"])
def state_probe(request, probe, tmp_path_factory):
    """The backend behind a pipe, on each device in turn."""
    import torch
    from parity import StateProbe

    if request.param != "cpu" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    made = StateProbe(probe("state_probe"), tmp_path_factory.mktemp("probe"), request.param)
    yield made
    made.close()


class Checkpoint:
    """A folder with random weights, and the same in transformers."""

    def __init__(self, shape, folder):
        import checkpoints

        self.shape = shape
        self.folder = checkpoints.write(shape, folder)
        self.model = checkpoints.reference(self.folder)


@pytest.fixture(scope="session")
def random_checkpoint(tmp_path_factory):
    """Shape -> Checkpoint; each is written once."""
    root, made = tmp_path_factory.mktemp("checkpoints"), {}

    def get(shape):
        if shape.name not in made:
            made[shape.name] = Checkpoint(shape, root / shape.name)
        return made[shape.name]

    return get


@pytest.fixture(params=["cpu", "cuda:0"])
def device(request):
    import torch

    if request.param != "cpu" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    return request.param
