import os
import pathlib
import shutil
import sys

import pytest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))


def newest(name):
    """A program of the build, in the folder STEER_BIN names, else the newest in build/*/bin."""
    folders = [pathlib.Path(os.environ["STEER_BIN"])] if "STEER_BIN" in os.environ else ROOT.glob("build/*/bin")
    built = [folder / name for folder in folders if os.access(folder / name, os.X_OK)]
    return max(built, key=lambda path: path.stat().st_mtime, default=None)


@pytest.fixture(scope="session")
def scripted():
    """The chat on the stand-in that says what a test wrote down."""
    path = os.environ.get("STEER_CHAT_SCRIPTED") or newest("steer_chat_scripted")
    if path is None:
        pytest.skip("steer_chat_scripted is not built")
    return str(path)


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    (folder / "vectors").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "vectors" / "gyaru.safetensors").write_text("gyaru\n")
    return folder


DEMO = ROOT / "examples" / "demo_model" / "model"


def random_model(folder):
    """A small checkpoint with random weights and the demo model's tokenizer, and beside it a persona file as the older tools made them."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    if not (DEMO / "tokenizer.json").exists():
        pytest.skip("the demo model has no tokenizer yet")
    made = folder / "random"
    torch.manual_seed(1)
    config = transformers.Qwen2Config(vocab_size=4096, hidden_size=64, intermediate_size=128, num_hidden_layers=6, num_attention_heads=4,
                                      num_key_value_heads=2, max_position_embeddings=1024, tie_word_embeddings=True)
    transformers.Qwen2ForCausalLM(config).save_pretrained(made)
    for name in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"]:
        shutil.copy(DEMO / name, made)
    (made / "vectors").mkdir()
    rows = {layer: torch.nn.functional.normalize(torch.randn(64), dim=0).half() for layer in range(1, 6)}
    torch.save(rows, made / "vectors" / "gyaru_vector_manual.pt")
    return made


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """Options that name a model: none for the demo model; until it is there, random weights."""
    if (DEMO / "model.safetensors").exists() and list(DEMO.parent.glob("vectors/*")):
        return []
    return ["--model", str(random_model(tmp_path_factory.mktemp("model")))]


@pytest.fixture(params=["steer_chat", "steer_chat_fake"])
def real(request, demo):
    """The chat on libsteer, with torch and with the fake arithmetic, as a command."""
    name = request.param
    named = os.environ.get("STEER_CHAT") if name == "steer_chat" else None
    path = named or newest(name)
    if path is None:
        pytest.skip(f"{name} is not built")
    if name == "steer_chat" and not named and not list(path.parent.parent.glob("lib*/**/libsteer_torch.so*")):
        pytest.skip("libsteer_torch is not built beside it")
    return [str(path), *demo]
