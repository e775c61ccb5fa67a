"""Persona steering for Qwen: a model in your process, vectors pushed into its residual stream, a gauge for every token.

    import steer

    model = steer.Model.from_pretrained(steer.demo_model_path())
    persona = steer.Vector.from_file(steer.demo_vector_path(), model=model)
    session = model.session()
    dial = session.gauge(persona)
    with session.steer(persona, 8):
        for step in session.chat("こんにちは"):
            print(step.text, end="", flush=True)

Errors are `steer.SteerError` and its subclasses, with the library's words. Calls let go of the interpreter's lock.
"""

from . import _steer  # first: it refuses a subinterpreter in words
from ._steer import Step
from .adapter import Adapter
from .batch import Batch
from .controls import Condition, Gauge, Injection
from .errors import (
    ArgumentError, BufferError, BusyError, CancelledError, ContextFullError, DeviceError, DeviceLostError, DeviceMemoryError,
    FileError, FormatError, InternalError, MismatchError, NumericError, OutOfMemoryError, StateError, SteerError,
    UnsupportedError,
)  # fmt: skip
from .model import Model
from .pairs import read_pairs
from .plot import plot
from .process import build_info, demo_model_path, demo_vector_path, set_log, set_threads, status_name, to_logging, version
from .reply import Reply
from .session import Session
from .sweep import SweepRow, sweep
from .types import ContrastPair, Message, ModelInfo, Passage, SessionInfo, VectorInfo, VectorLayer
from .vector import Vector

__version__ = version()
set_log(to_logging)

__all__ = [
    "Adapter", "ArgumentError", "Batch", "BufferError", "BusyError", "CancelledError", "Condition", "ContextFullError",
    "ContrastPair", "DeviceError", "DeviceLostError", "DeviceMemoryError", "FileError", "FormatError", "Gauge", "Injection",
    "InternalError", "Message", "MismatchError", "Model", "ModelInfo", "NumericError", "OutOfMemoryError", "Passage", "Reply",
    "Session", "SessionInfo", "StateError", "SteerError", "Step", "SweepRow", "UnsupportedError", "Vector", "VectorInfo",
    "VectorLayer", "build_info", "demo_model_path", "demo_vector_path", "plot", "read_pairs", "set_log", "set_threads",
    "status_name", "sweep", "to_logging", "version",
]  # fmt: skip
