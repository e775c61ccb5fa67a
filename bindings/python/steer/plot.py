"""Gauges as a figure. Needs matplotlib: the extra steer[plot]."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from .controls import Gauge
from .reply import Reply
from .types import Array


def plot(reply: Reply, *gauges: Gauge, labels: Sequence[str] = (), axes: Any = None) -> Any:
    """Draws gauges over a reply's tokens, without any: all that the session has; gives the figure.

    axes: matplotlib axes to draw on; None: new ones.
    """
    traces = _traces(reply, gauges)
    if axes is None:
        axes = _figure().add_subplot()
    for index, trace in enumerate(traces):
        axes.plot(trace, linewidth=1.2, label=labels[index] if index < len(labels) else f"gauge {index}")
    axes.axhline(0.0, color="0.7", linewidth=0.8)
    axes.set_xlabel("token")
    axes.set_xlim(0, max(1, len(reply.tokens) - 1))
    if traces:
        axes.legend(loc="best", fontsize="small", frameon=False)
    return axes.figure


def _figure() -> Any:
    """A figure of its own, not pyplot's: nothing keeps it, and a notebook shows it once."""
    try:
        from matplotlib.figure import Figure
    except ImportError as missing:
        raise ImportError("a plot of gauges needs matplotlib: pip install 'steer[plot]'") from missing

    class Shown(Figure):  # type: ignore[misc, unused-ignore]
        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            self.savefig(file, format="png", dpi=96)
            return file.getvalue()

    return Shown(figsize=(8, 2.4), layout="constrained")


def _traces(reply: Reply, gauges: Sequence[Gauge]) -> list[Array]:
    if gauges:
        return [reply.trace(gauge) for gauge in gauges]
    rows = [step.gauges for step in reply.steps if step.token is not None]
    width = max((len(row) for row in rows), default=0)
    table = np.full((len(rows), width), np.nan, dtype=np.float32)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return [column for column in table.T if not np.isnan(column).all()]
