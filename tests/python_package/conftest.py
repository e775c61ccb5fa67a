"""Fixtures for the package steer: the demo model with its vector, and checkpoints with random weights beside transformers."""

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small matrices: a second thread costs more than it does
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY / "tests" / "python"))  # checkpoints, parity

steer = pytest.importorskip("steer", reason="the package steer is not installed here: ./run python installs it")


@pytest.fixture(scope="session")
def demo():
    return steer.Model.from_pretrained(steer.demo_model_path(), device="cpu", dtype="f32")


@pytest.fixture(scope="session")
def persona(demo):
    return steer.Vector.from_file(steer.demo_vector_path(), model=demo)


@pytest.fixture
def session(demo):
    """Greedy, 24 tokens, on the demo model."""
    with demo.session() as made:
        made.set_generation(temperature=0.0, token_max=24)
        yield made


@pytest.fixture(scope="session")
def demo_pairs():
    """Eight pairs of different topics."""
    rows = steer.read_pairs(REPOSITORY / "examples/demo_model/contrast.jsonl", split="train")
    return rows[::52][:8]


@pytest.fixture(scope="session")
def calibrated(demo, persona, demo_pairs):
    return persona.calibrate(demo, demo_pairs, seed=3, name="calibrated", progress=False)


class Loaded:
    """A checkpoint with random weights in both libraries."""

    def __init__(self, shape, folder):
        import checkpoints

        self.folder = checkpoints.write(shape, folder)
        self.reference = checkpoints.reference(self.folder)
        self.model = steer.Model.from_pretrained(self.folder, device="cpu", dtype="f32")
        self.vocabulary = checkpoints.real_vocabulary()
        self.layers, self.hidden = self.model.info.layer_count, self.model.info.hidden_size


@pytest.fixture(scope="session", params=["qwen2-gqa7-sharded", "qwen3-mha-bf16-sharded"])
def loaded(request, tmp_path_factory):
    import checkpoints

    [shape] = [shape for shape in checkpoints.SHAPES if shape.name == request.param]
    return Loaded(shape, tmp_path_factory.mktemp("checkpoints") / shape.name)
