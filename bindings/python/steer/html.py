"""What Jupyter shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from . import _steer
from .types import VectorLayer


def fields(title: str, values: Mapping[str, Any]) -> str:
    rows = "".join(f"<tr><th>{escape(key)}</th><td>{escape(_shown(value))}</td></tr>" for key, value in values.items())
    return f"<b>{escape(title)}</b><table>{rows}</table>"


def vector(title: str, layers: Iterable[tuple[int, VectorLayer]]) -> str:
    names = ("norm", "residual_norm", "auc", "split_half_cosine", "neutral", "persona")
    head = "".join(f"<th>{escape(name)}</th>" for name in ("layer", *names))
    rows = "".join(
        f"<tr><td>{number}</td>" + "".join(f"<td>{getattr(layer, name):.3g}</td>" for name in names) + "</tr>"
        for number, layer in layers
        if layer.row is not None
    )
    return f"<b>{escape(title)}</b><table><tr>{head}</tr>{rows}</table>"


def reply(steps: list[_steer.Step], title: str) -> str:
    """The words, each on the colour of its first gauge: red with the persona, blue against it. Values are in the tooltips."""
    values = [step.gauge_at(0) for step in steps]
    widest = max((abs(value) for value in values if value == value), default=0.0) or 1.0
    words = "".join(_word(step, value / widest) for step, value in zip(steps, values))
    return f'<div title="{escape(title)}" style="white-space:pre-wrap">{words}</div>'


def _word(step: _steer.Step, share: float) -> str:
    if share != share:  # NaN: nothing is known of it
        return escape(step.text)
    colour = "255,80,60" if share > 0 else "60,120,255"
    told = ", ".join(f"{value:+.3f}" for value in step.gauges)
    return f'<span title="{told}" style="background:rgba({colour},{0.6 * abs(share):.2f})">{escape(step.text)}</span>'


def _shown(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else f"{value:,}" if isinstance(value, int) else str(value)
