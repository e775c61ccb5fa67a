"""Messages as the compiled module takes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from .types import Message, Messages

Packed = list[tuple[str, Optional[str], str]]


def pack(messages: Messages) -> Packed:
    """(role, content, JSON of the rest) of each."""
    if isinstance(messages, (str, Mapping)):
        raise TypeError("messages: a list of dicts with role and content is expected")
    return [_pack_one(index, message) for index, message in enumerate(messages)]


def _pack_one(index: int, message: Message) -> tuple[str, str | None, str]:
    if not isinstance(message, Mapping):
        raise TypeError(f"messages[{index}]: a dict with role and content is expected, not {type(message).__name__}")
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str):
        raise TypeError(f"messages[{index}]['role']: a string is expected, not {role!r}")
    if content is not None and not isinstance(content, str):
        raise TypeError(f"messages[{index}]['content']: a string or None is expected, not {type(content).__name__}")
    rest = {key: value for key, value in message.items() if key not in ("role", "content")}
    return role, content, json.dumps(rest, ensure_ascii=False) if rest else ""


def options(
    open_reply: bool,
    continue_last: bool,
    tools: Sequence[Mapping[str, Any]] | None,
    variables: Mapping[str, Any] | None,
    template: str | None,
) -> dict[str, Any]:
    """Keyword arguments of the compiled module's chat functions."""
    return {
        "open_reply": open_reply,
        "continue_last": continue_last,
        "tools": None if tools is None else json.dumps(list(tools), ensure_ascii=False),
        "variables": None if variables is None else json.dumps(dict(variables), ensure_ascii=False),
        "template_text": template,
    }
