"""What the wheel asks for: the torch that it is built for, to the patch version, because libsteer refuses any other."""

import os
import re
import sysconfig
from pathlib import Path


def torch_folder() -> Path:
    """As CMakeLists.txt finds it. A build environment of pip's own hides the site-packages from import, not from here."""
    return Path(os.environ.get("STEER_TORCH_ROOT") or Path(sysconfig.get_path("platlib")) / "torch")


def torch_version() -> str:
    source = torch_folder() / "version.py"
    if not source.exists():
        raise FileNotFoundError(f"{source} is not there: install torch first, or name its folder in the environment variable STEER_TORCH_ROOT")
    found = re.search(r"__version__ = '([0-9.]+)", source.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{source} does not tell torch's version")
    return found.group(1)


def dynamic_metadata(field: str, settings: dict[str, object] | None = None) -> list[str]:
    return ["numpy>=1.24", "tqdm>=4.60", f"torch=={torch_version()}"]
