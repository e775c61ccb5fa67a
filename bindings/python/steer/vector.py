"""Persona vectors: rows per layer, from files, arrays and contrast pairs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from . import _steer, html, pairs
from .model import Model
from .progress import shown
from .types import Array, Format, Method, Path, Pooling, Progress, Rows, Site, VectorInfo, VectorLayer

Layers = Mapping[Union[int, str], npt.ArrayLike]
_BY_ENDING: dict[str, Format] = {".gguf": "gguf", ".pt": "torch", ".svec": "svec"}


class Vector:
    """A direction in the residual stream, one row per layer. It never changes; threads and sessions share it."""

    def __init__(self, core: _steer.Vector) -> None:
        self._core = core

    # ---- files

    @classmethod
    def from_file(
        cls,
        path: Path,
        *,
        model: Model | None = None,
        name: str | None = None,
        layer_begin: int | None = None,
        site_measured: Site | None = None,
        site_applied: Site | None = None,
    ) -> Vector:
        """Reads a native file, a GGUF control vector, what torch.save or numpy.save wrote, or .svec: told by the content.

        model: refuses one that was made for another. name: which of several in a file, "feature:N" of a sparse autoencoder.
        layer_begin, site_*: for files that do not say. Raises FileError, FormatError, MismatchError, UnsupportedError.
        """
        return cls(_steer.Vector.load(os.fspath(path), None, **_options(model, name, layer_begin, site_measured, site_applied)))

    from_pretrained = from_file

    @classmethod
    def from_bytes(
        cls,
        data: bytes | bytearray | memoryview,
        *,
        label: str = "vector in memory",
        model: Model | None = None,
        name: str | None = None,
        layer_begin: int | None = None,
        site_measured: Site | None = None,
        site_applied: Site | None = None,
    ) -> Vector:
        """The same from a file's bytes; label stands for the path in the words of errors."""
        return cls(_steer.Vector.load(label, data, **_options(model, name, layer_begin, site_measured, site_applied)))

    def save(self, path: Path, *, format: Format | None = None) -> None:
        """Writes a file; format None: by the ending .gguf, .pt, .svec, else native, which holds everything."""
        ending = os.path.splitext(os.fspath(path))[1]
        self._core.save(os.fspath(path), format or _BY_ENDING.get(ending, "native"))

    # ---- arrays

    @classmethod
    def from_rows(
        cls,
        rows: npt.ArrayLike,
        *,
        layer_begin: int = 0,
        name: str | None = None,
        model: Model | None = None,
        site_measured: Site | None = None,
        site_applied: Site | None = None,
    ) -> Vector:
        """rows: numbers [layers, hidden_size], taken as float32; NumPy arrays, torch tensors, lists. model: ties it to that one."""
        return cls(_steer.Vector.create(to_rows(rows), **_options(model, name, layer_begin, site_measured, site_applied)))

    @classmethod
    def from_layers(
        cls,
        layers: Layers,
        *,
        name: str | None = None,
        model: Model | None = None,
        site_measured: Site | None = None,
        site_applied: Site | None = None,
    ) -> Vector:
        """{layer: row [hidden_size]}, as repeng has it. A layer may be named by its module: "model.layers.12". Gaps are allowed."""
        numbered = sorted((layer_number(key), row) for key, row in layers.items())
        if not numbered:
            raise ValueError("layers: there is no row")
        runs = _runs(numbered)
        parts = []
        for begin, rows in runs:  # a sum is named by its parts: the last one brings the name
            named = name if begin == runs[-1][0] else None
            more = _options(model, named, begin, site_measured, site_applied)
            parts.append(_steer.Vector.create(to_rows(np.stack(rows)), **more))
        return cls(parts[0] if len(parts) == 1 else _steer.Vector.combine([(part, 1.0) for part in parts], 0.0))

    def to_layers(self, rows: Rows = "write") -> dict[int, Array]:
        """{layer: row}: float32 [hidden_size], views of the vector's own memory, which they keep alive; not to be written to."""
        found = ((layer, self.layer(layer, rows).row) for layer in self.layers)
        return {layer: row for layer, row in found if row is not None}

    def layer(self, layer: int, rows: Rows = "write") -> VectorLayer:
        """The row of a layer with its figures. rows: those to push with, or those to read with. Raises ArgumentError outside."""
        return VectorLayer(**self._core.layer(layer, rows))

    def __getitem__(self, layer: int) -> Array:
        row = self.layer(layer).row
        if row is None:
            raise KeyError(layer)
        return row

    # ---- made of others

    @classmethod
    def combine(cls, parts: Iterable[tuple[Vector, float]], *, norm: float = 0.0) -> Vector:
        """The weighted sum. norm > 0: each row gets this length; < 0: -norm times the stream's norm at its site; 0: as they sum."""
        return cls(_steer.Vector.combine([(vector._core, weight) for vector, weight in parts], norm))

    def __mul__(self, factor: float) -> Vector:
        return Vector.combine([(self, factor)])

    __rmul__ = __mul__

    def __neg__(self) -> Vector:
        return self * -1.0

    def __add__(self, other: Vector) -> Vector:
        return Vector.combine([(self, 1.0), (other, 1.0)])

    def __sub__(self, other: Vector) -> Vector:
        return Vector.combine([(self, 1.0), (other, -1.0)])

    # ---- measured

    @classmethod
    def extract(
        cls,
        model: Model,
        contrast: Sequence[pairs.Pair],
        *,
        name: str | None = None,
        method: Method | None = None,
        pooling: Pooling | None = None,
        layers: tuple[int, int] | None = None,
        holdout: float | None = None,
        seed: int | None = None,
        resume_path: Path | None = None,
        progress: Progress = None,
    ) -> Vector:
        """A vector from contrast pairs, on a model whose weights are in memory. Its rows carry figures from groups held out.

        contrast: `ContrastPair`, dicts with positive, negative, group, or (positive, negative) texts; `steer.read_pairs` reads
        them from a file. layers: half open. resume_path: a file that keeps the states as they are read; cut off, the same call
        goes on there. Raises CancelledError where progress answered true.
        """
        more = _measuring(layers, method, pooling, holdout, seed, name)
        more["resume_path"] = None if resume_path is None else os.fspath(resume_path)
        with shown("extracting", progress) as function:
            return cls(_steer.Vector.extract(model._core, pairs.pack(contrast), function, **more))

    def calibrate(
        self,
        model: Model,
        contrast: Sequence[pairs.Pair],
        *,
        name: str | None = None,
        layers: tuple[int, int] | None = None,
        seed: int | None = None,
        progress: Progress = None,
    ) -> Vector:
        """The same vector with what units, calibrated gauges, hold and guard stand on: scales, response, safe strength.

        layers: the band to push at, half open; None: the vector's recommended one. seed: of the replies that are sampled.
        """
        more = _measuring(layers, None, None, None, seed, name)
        with shown("calibrating", progress) as function:
            return Vector(self._core.calibrate(model._core, pairs.pack(contrast), function, **more))

    # ---- what it says of itself

    @property
    def info(self) -> VectorInfo:
        return VectorInfo(**self._core.info())

    @property
    def layers(self) -> range:
        info = self._core.info()
        return range(info["layer_begin"], info["layer_end"])

    @property
    def metadata(self) -> dict[str, str]:
        """All that its file says and no field here."""
        return dict(json.loads(self._core.metadata()))

    def __repr__(self) -> str:
        info = self.info
        more = ", calibrated" if info.calibrated else ""
        safe = "" if np.isnan(info.strength_safe) else f", safe to {info.strength_safe:.2f}"
        return f"Vector({info.name!r}, layers {info.layer_begin} to {info.layer_end - 1} of {info.hidden_size}{more}{safe})"

    def _repr_html_(self) -> str:
        return html.vector(repr(self), [(number, self.layer(number)) for number in self.layers])


def to_rows(rows: Any) -> Array:
    """float32 [layers, hidden_size]. A torch tensor is asked for what NumPy can read: no gradient, float32, main memory."""
    if hasattr(rows, "detach"):
        rows = rows.detach().float().cpu()
    return np.ascontiguousarray(rows, dtype=np.float32)


def layer_number(key: int | str) -> int:
    """12 of 12 and of "model.layers.12"."""
    found = re.search(r"(?:^|\.)layers\.(\d+)$", key) if isinstance(key, str) else None
    if isinstance(key, str) and found is None:
        raise ValueError(f"{key!r} names no layer: a number is expected, or a module as model.layers.12")
    return int(found.group(1)) if found else int(key)


def _runs(numbered: list[tuple[int, Any]]) -> list[tuple[int, list[Array]]]:
    """(first layer, rows) of each stretch without gaps."""
    runs: list[tuple[int, list[Array]]] = []
    for layer, row in numbered:
        if not runs or layer != runs[-1][0] + len(runs[-1][1]):
            runs.append((layer, []))
        runs[-1][1].append(to_rows(row))
    return runs


def _options(
    model: Model | None, name: str | None, layer_begin: int | None, site_measured: Site | None, site_applied: Site | None
) -> dict[str, Any]:
    return {
        "model": None if model is None else model._core, "name": name, "layer_begin": layer_begin,
        "site_measured": site_measured, "site_applied": site_applied,
    }  # fmt: skip


def _measuring(
    layers: tuple[int, int] | None, method: Method | None, pooling: Pooling | None, holdout: float | None,
    seed: int | None, name: str | None,
) -> dict[str, Any]:  # fmt: skip
    begin, end = layers if layers is not None else (None, None)
    return {
        "layer_begin": begin, "layer_end": end, "method": method, "pooling": pooling, "holdout": holdout, "seed": seed,
        "name": name,
    }  # fmt: skip
