"""Progress bars: shown where standard error is a terminal, off elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable, Optional

from .types import Progress

Function = Optional[Callable[[float], object]]


@contextmanager
def shown(words: str, progress: Progress) -> Iterator[Function]:
    """The function for the library: the caller's own, that of a bar, or None."""
    if callable(progress):
        yield progress
    elif progress or (progress is None and sys.stderr is not None and sys.stderr.isatty()):
        with _bar(words) as function:
            yield function
    else:
        yield None


@contextmanager
def _bar(words: str) -> Iterator[Function]:
    from tqdm.auto import tqdm

    with tqdm(total=100, desc=words, unit="%", bar_format="{desc}: {percentage:3.0f} %|{bar}| {elapsed}", leave=False) as bar:

        def move(fraction: float) -> None:
            bar.update(max(0.0, 100.0 * fraction - bar.n))

        yield move
