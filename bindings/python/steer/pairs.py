"""Contrast pairs: the same content in two voices."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

from .types import ContrastPair, Passage, Path

Pair = Union[ContrastPair, Mapping[str, Any], tuple[Union[str, Passage], Union[str, Passage]]]
_Texts = tuple[Optional[str], Optional[str], Optional[str]]
Packed = list[tuple[_Texts, _Texts, int]]


def read_pairs(path: Path, *, split: str | None = None, by_system: bool = False) -> list[ContrastPair]:
    """Lines of JSON: {"group": ..., "prompt": ..., "system": ..., "positive": reply, "negative": reply}.

    split: only lines that name it. by_system: each side has a system text of its own, "system_positive", "system_negative".
    """
    made = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            row = json.loads(line) if line.strip() else None
            if row is not None and (split is None or row.get("split") == split):
                made.append(_from_mapping({"group": f"line {number}", **row}, f"{path}: line {number}", by_system))
    if not made:
        raise ValueError(f"{path}: holds no pairs" + (f" of split {split}" if split else ""))
    return made


def pack(contrast: Sequence[Pair]) -> Packed:
    """As the compiled module takes them; groups get numbers."""
    numbers: dict[Union[str, int], int] = {}
    made: Packed = []
    for index, pair in enumerate(contrast):
        one = to_pair(pair, index)
        made.append((_texts(one.positive), _texts(one.negative), numbers.setdefault(one.group, len(numbers) + 1)))
    return made


def to_pair(pair: Pair, index: int) -> ContrastPair:
    if isinstance(pair, ContrastPair):
        return pair
    if isinstance(pair, Mapping):
        return _from_mapping({"group": f"pair {index}", **pair}, f"contrast[{index}]")
    if isinstance(pair, tuple) and len(pair) == 2:
        return ContrastPair(_passage(pair[0]), _passage(pair[1]), f"pair {index}")
    raise TypeError(f"contrast[{index}]: a ContrastPair, a dict or (positive, negative) is expected, not {type(pair).__name__}")


def _from_mapping(row: Mapping[str, Any], where: str, by_system: bool = False) -> ContrastPair:
    sides = []
    for side in ("positive", "negative"):
        system = f"system_{side}" if by_system else "system"
        for key in (side, system) if by_system else (side,):
            if key not in row:
                raise ValueError(f'{where}: "{key}" is missing')
        sides.append(_passage(row[side], row.get("prompt"), row.get(system) or None))
    return ContrastPair(sides[0], sides[1], row["group"])


def _passage(text: Union[str, Passage, Mapping[str, Any]], prompt: str | None = None, system: str | None = None) -> Passage:
    if isinstance(text, Passage):
        return text
    return Passage(**text) if isinstance(text, Mapping) else Passage(text, prompt, system)


def _texts(passage: Passage) -> _Texts:
    return passage.system, passage.prompt, passage.reply
