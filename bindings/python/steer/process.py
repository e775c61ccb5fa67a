"""What belongs to the process: versions, the log, libtorch's threads, the demo model."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Callable, Optional

from . import _steer
from .types import LogLevel

_LEVELS: dict[str, int] = {"error": logging.ERROR, "warn": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}


def version() -> str:
    """Of libsteer, as "0.1.0"."""
    number = _steer.version()
    return f"{number // 1000000}.{number // 1000 % 1000}.{number % 1000}"


def build_info() -> str:
    """Libtorch built for and found, CUDA, compiler."""
    return _steer.build_info()


def status_name(code: int) -> str:
    """ "STEER_ERR_ARG" of -1."""
    return _steer.status_name(code)


def set_threads(intra_op: int, inter_op: int = 0) -> None:
    """Libtorch's threads, of the whole process: once, before the first model. 0: as they are. Raises StateError later."""
    _steer.set_threads(intra_op, inter_op)


def set_log(function: Optional[Callable[[str, str], object]], level: LogLevel = "warn") -> None:
    """function(level, text) for every line from that level on, in the thread that made the call; None: silence. One for the
    process; at import it is `to_logging`."""
    _steer.set_log(function, level)


def to_logging(level: str, text: str) -> None:
    """Writes a line to Python's logger "steer"."""
    logging.getLogger("steer").log(_LEVELS.get(level, logging.WARNING), "%s", text)


def demo_model_path() -> Path:
    """The folder of the demo model that comes with the package: tiny, there to be steered."""
    return Path(__file__).parent / "demo_model"


def demo_vector_path() -> Path:
    """A persona vector for the demo model."""
    return demo_model_path() / "vectors" / "gyaru.safetensors"
