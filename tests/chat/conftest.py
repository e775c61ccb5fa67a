import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))


def newest(name):
    built = [path for path in ROOT.glob(f"build/*/bin/{name}") if os.access(path, os.X_OK)]
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


@pytest.fixture(params=["steer_chat", "steer_chat_fake"])
def real(request):
    """The chat on libsteer, with torch and with the fake arithmetic, talking to the demo model."""
    name = request.param
    path = os.environ.get("STEER_CHAT") if name == "steer_chat" else None
    path = path or newest(name)
    if path is None:
        pytest.skip(f"{name} is not built")
    if not (ROOT / "examples" / "demo_model" / "model" / "config.json").exists():
        pytest.skip("the demo model has not been made")
    if name == "steer_chat" and not list(pathlib.Path(path).resolve().parent.parent.glob("lib/libsteer_torch.so*")):
        pytest.skip("libsteer_torch is not built beside it")
    return str(path)
