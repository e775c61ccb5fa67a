"""libtorch for libsteer: that of this interpreter's torch package, loaded before libsteer looks for one.

So `import torch` may come first or later: it finds the same files. torch itself is not imported here.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from pathlib import Path

_loaded: list[ctypes.CDLL] = []


def _folder() -> Path | None:
    module = sys.modules.get("torch")
    if module is not None and module.__file__:
        return Path(module.__file__).parent
    spec = importlib.util.find_spec("torch")
    return Path(next(iter(spec.submodule_search_locations))) if spec and spec.submodule_search_locations else None


def load() -> None:
    """Without a torch package nothing is done: libsteer then looks beside itself, and says what it misses."""
    if _loaded:
        return
    folder = _folder()
    library = folder / "lib" / "libtorch_cpu.so" if folder else None
    if library is not None and library.exists():
        _loaded.append(ctypes.CDLL(str(library)))
