"""What fails, as exceptions: one class for each status of steer.h. Their words are the library's."""

from __future__ import annotations


class SteerError(Exception):
    """Base of all. `status` is the name of the status in steer.h, `code` its number."""

    status: str = "STEER_ERR_INTERNAL"
    code: int = -16


class ArgumentError(SteerError, ValueError):
    """A value that cannot be, or an object that was closed."""


class StateError(SteerError, RuntimeError):
    """Not now: weights that are not in memory, a child of fork, another libtorch in the process."""


class BusyError(SteerError, RuntimeError):
    """Another thread is at work on this session's conversation."""


class BufferError(SteerError, RuntimeError):
    """A buffer too small. The package sizes its buffers itself: seeing this is a fault of ours."""


class ContextFullError(SteerError, ValueError):
    """More tokens than the session's context_max: drop old messages."""


class MismatchError(SteerError, ValueError):
    """A vector, an adapter or a state of another model; both are named."""


class UnsupportedError(SteerError, NotImplementedError):
    """Known, and not built; the words say what instead."""


class FileError(SteerError, OSError):
    """A file that cannot be read or written."""


class FormatError(SteerError, ValueError):
    """A file that is not what it should be."""


class OutOfMemoryError(SteerError, MemoryError):
    """Main memory; the session stands at its last token."""


class DeviceMemoryError(OutOfMemoryError):
    """The device's memory, or the model's device_memory_max; the session stands at its last token."""


class DeviceError(SteerError, RuntimeError):
    """The device is not there, or refuses."""


class DeviceLostError(DeviceError):
    """For good: restart the process."""


class NumericError(SteerError, ArithmeticError):
    """Not finite: lower the strength. No token was made."""


class CancelledError(SteerError):
    """A progress function said stop, or the object was closed meanwhile. Not asyncio's."""


class InternalError(SteerError, RuntimeError):
    """A fault of the library's."""


_BY_CODE: dict[int, type[SteerError]] = {
    -1: ArgumentError, -2: StateError, -3: BusyError, -4: BufferError, -5: ContextFullError, -6: MismatchError,
    -7: UnsupportedError, -8: FileError, -9: FormatError, -10: OutOfMemoryError, -11: DeviceMemoryError, -12: DeviceError,
    -13: DeviceLostError, -14: NumericError, -15: CancelledError, -16: InternalError,
}  # fmt: skip


def make(code: int, status: str, words: str) -> SteerError:
    """The exception for a status; one that a newer library has and this package does not is a SteerError."""
    error = _BY_CODE.get(code, SteerError)(words)
    error.code, error.status = code, status
    return error
