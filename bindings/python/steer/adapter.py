"""LoRA adapters. Unstable: may change in any release."""

from __future__ import annotations

import os

from . import _steer
from .model import Model
from .types import Path


class Adapter:
    """An adapter for one model."""

    def __init__(self, core: _steer.Adapter) -> None:
        self._core = core

    @classmethod
    def from_pretrained(cls, model: Model, path: Path) -> Adapter:
        """path: a folder as PEFT writes it. Raises UnsupportedError where this libsteer has no adapters."""
        return cls(_steer.Adapter.load(model._core, os.fspath(path)))
