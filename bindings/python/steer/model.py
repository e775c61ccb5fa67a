"""Models: their files, their tokens, their chat."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _steer, _torch, chat, html
from .progress import shown
from .stepper import Stepper
from .types import Dtype, Marks, Messages, ModelInfo, Path, Priority, Progress, Residency, Tokens, Weights

if TYPE_CHECKING:
    from .session import Session


class Model:
    """A Qwen model of a folder as Hugging Face has it. May be shared by threads; `from_pretrained` makes one.

    Closing frees it as soon as its sessions are closed; so does letting go of it. Use it in `with` where that matters.
    """

    def __init__(self, core: _steer.Model) -> None:
        self._core = core
        self._stepper = Stepper()

    @classmethod
    def from_pretrained(
        cls,
        path: Path,
        *,
        dtype: Dtype | None = None,
        device: str | None = None,
        weights: Weights | None = None,
        residency: Residency | None = None,
        priority: Priority | None = None,
        verify: bool = False,
        allow_code: bool = False,
        device_memory_max: int | None = None,
        progress: Progress = None,
    ) -> Model:
        """Opens a model folder and reads its weights.

        device: "cpu", "cuda:0"; None: chosen. dtype: of the arithmetic. weights: "int8", "int4" or "nf4" packs them while they
        are loaded, which takes less memory and changes what is said; a quantised checkpoint opens without it. residency
        "none": only open, tokens and chat work and no weights are read. verify, allow_code: for folders that `export` wrote; an
        archive is code, take it only from those you trust. device_memory_max: bytes, checked beforehand; None: no limit.

        Raises FileError, FormatError, UnsupportedError, DeviceError, OutOfMemoryError; StateError where the process holds
        another libtorch; CancelledError where progress answered true.
        """
        if residency != "none":
            _torch.load()
        with shown("loading", progress) as function:
            core = _steer.Model.load(
                os.fspath(path), dtype=dtype, device=device, weights=weights, residency=residency, priority=priority,
                verify=verify, allow_code=allow_code, device_memory_max=device_memory_max, progress=function,
            )  # fmt: skip
        return cls(core)

    # ---- what it is

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(**self._core.info())

    @property
    def architecture(self) -> str:
        return self._core.text("architecture")

    @property
    def chat_template(self) -> str:
        return self._core.text("chat_template")

    @property
    def config(self) -> dict[str, Any]:
        """config.json."""
        return dict(json.loads(self._core.text("config")))

    @property
    def generation_config(self) -> dict[str, Any]:
        """generation_config.json; empty where the folder has none."""
        return dict(json.loads(self._core.text("generation_config") or "{}"))

    # ---- text

    def encode(self, text: str, *, control_tokens: bool = False) -> Tokens:
        """Token ids, int32 [n]. control_tokens: they are read from the text; never for text of a stranger."""
        return self._core.encode(text, control_tokens)

    def decode(self, ids: npt.ArrayLike, *, control_tokens: bool = False) -> str:
        """The text of ids [n]; bytes that are no whole character become U+FFFD. control_tokens: they are written."""
        return self.decode_bytes(ids, control_tokens=control_tokens).decode("utf-8", "replace")

    def decode_bytes(self, ids: npt.ArrayLike, *, control_tokens: bool = False) -> bytes:
        """Exactly the bytes of ids [n]."""
        return self._core.decode(np.asarray(ids, dtype=np.int32), control_tokens)

    def format_chat(
        self,
        messages: Messages,
        *,
        open_reply: bool = True,
        continue_last: bool = False,
        tools: Sequence[Mapping[str, Any]] | None = None,
        variables: Mapping[str, Any] | None = None,
        template: str | None = None,
    ) -> str:
        """What the chat template makes of messages: to look at. To compute, `encode_chat`, where no text becomes control tokens.

        variables: for the template, as {"enable_thinking": False}. template: Jinja; None: the model's own; never a stranger's.
        """
        how = chat.options(open_reply and not continue_last, continue_last, tools, variables, template)
        return self._core.format_chat(chat.pack(messages), **how)

    def encode_chat(
        self,
        messages: Messages,
        *,
        open_reply: bool = True,
        continue_last: bool = False,
        tools: Sequence[Mapping[str, Any]] | None = None,
        variables: Mapping[str, Any] | None = None,
        template: str | None = None,
        prefer: Session | None = None,
    ) -> tuple[Tokens, Marks]:
        """Ids, int32 [n], and marks, bool [n]: true where an assistant speaks. Options as in `format_chat`.

        prefer: the session that spoke the replies among the messages; its tokens are taken over where they spell the same.
        """
        how = chat.options(open_reply and not continue_last, continue_last, tools, variables, template)
        ids, marks = self._core.encode_chat(chat.pack(messages), prefer._core if prefer else None, **how)
        return ids, marks.astype(bool)

    # ---- what is done with it

    def session(
        self,
        *,
        context_max: int | None = None,
        prefill_chunk: int | None = None,
        injection_max: int | None = None,
        gauge_max: int | None = None,
        twin: bool = False,
    ) -> Session:
        """A conversation with this model: see `Session`."""
        from .session import Session

        return Session(
            self, context_max=context_max, prefill_chunk=prefill_chunk, injection_max=injection_max, gauge_max=gauge_max,
            twin=twin,
        )  # fmt: skip

    def set_residency(self, residency: Residency, *, progress: Progress = None) -> None:
        """Moves the weights: "host" parks them in main memory, "none" drops them, "device" brings them back. Conversations stay."""
        if residency != "none":
            _torch.load()
        with shown(f"to {residency}", progress) as function:
            self._core.set_residency(residency, function)

    def export(self, folder: Path, *, progress: Progress = None) -> None:
        """Writes the model with its decoder as TorchScript and a manifest to a new or empty folder."""
        _torch.load()
        with shown("exporting", progress) as function:
            self._core.export(os.fspath(folder), function)

    def close(self) -> None:
        self._core.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._core.closed:
            return "Model(closed)"
        info = self.info
        packed = "" if info.weights == "as_stored" else f"{info.weights} "
        return (
            f"Model({self.architecture}, {info.layer_count} layers of {info.hidden_size}, {info.dtype} on {info.device}, "
            f"{info.weight_bytes / 1e9:.2g} GB of {packed}weights, {info.residency})"
        )

    def _repr_html_(self) -> str:
        return html.fields(repr(self), {} if self._core.closed else vars(self.info))
