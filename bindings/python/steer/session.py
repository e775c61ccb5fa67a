"""Sessions: a list of tokens, a cache that follows behind, and the controls."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable, Optional, TypeVar, Union

import numpy as np
import numpy.typing as npt

from . import _steer, chat, html
from .adapter import Adapter
from .controls import Condition, Gauge, Injection, pack
from .errors import ArgumentError
from .model import Model
from .reply import Reply, Step
from .types import (
    Array, Guard, Marks, Message, Messages, Metric, Op, Reading, Reduce, Rows, Scale, SessionInfo, Span, Tap, Tokens, Unit,
)  # fmt: skip
from .vector import Vector

Control = TypeVar("Control", Injection, Gauge)
Observer = Callable[[int, int, Array], Optional[npt.ArrayLike]]


class Session:
    """A conversation with a model.

    One thread at a time may work on the conversation (`chat`, `generate`, `step`, `set_tokens`, `refresh`, state); a second
    one gets BusyError, never a race. Any thread may use the controls at any time: `steer`, `gauge`, what they give,
    `set_generation`, `cancel`, `info`, `close`.
    """

    def __init__(
        self,
        model: Model,
        *,
        context_max: int | None = None,
        prefill_chunk: int | None = None,
        injection_max: int | None = None,
        gauge_max: int | None = None,
        twin: bool = False,
        _core: _steer.Session | None = None,
    ) -> None:
        """context_max: tokens, None: the smaller of the model's and 8192. prefill_chunk: most prompt tokens of one step. twin: an
        unsteered row walks along on the same tokens, for exact gauges, the KL of steering and its budget."""
        self.model = model
        self._core = _core or _steer.Session.create(
            model._core, context_max=context_max, prefill_chunk=prefill_chunk, injection_max=injection_max,
            gauge_max=gauge_max, twin=twin,
        )  # fmt: skip
        self._turn = 0
        self._speaking: Callable[[], Reply | None] = lambda: None
        self.messages: list[Message] = []
        """What `chat` has said and heard: dicts with role and content."""

    # ---- speaking

    def chat(
        self,
        message: str | Message | Messages,
        *,
        continue_last: bool = False,
        tools: Sequence[Mapping[str, Any]] | None = None,
        variables: Mapping[str, Any] | None = None,
        template: str | None = None,
    ) -> Reply:
        """Says something and gives the `Reply`, which speaks as it is iterated.

        message: the user's words, or a message dict, added to `messages`; or a list of them, which replaces `messages`. The
        reply is added when it ends, also where it was cut short. What the conversation has in common with the last turn is not
        computed again. continue_last: goes on with the last message, an assistant's, instead of opening a new one.
        variables: for the template, as {"enable_thinking": False}.

        Raises ContextFullError (nothing has changed then), BusyError while another turn is at work.
        """
        messages = self._with(message)
        ids, marks = self.model.encode_chat(
            messages, open_reply=not continue_last, continue_last=continue_last, tools=tools, variables=variables,
            template=template, prefer=self,
        )  # fmt: skip
        self.set_tokens(ids, marks=marks)
        return self._begin(messages, self._hear_more if continue_last else self._hear)

    def generate(self, prompt: str | npt.ArrayLike | None = None) -> Reply:
        """Goes on behind the tokens that are there, without a chat template: after prompt (text, or ids [n]), if one is given."""
        ids: npt.ArrayLike = [] if prompt is None else self.model.encode(prompt) if isinstance(prompt, str) else prompt
        self.set_tokens(ids, position=-1)
        return Reply(self, self._turn)

    def step(self) -> Step:
        """One bounded piece of work: a chunk of the prompt (`is_prompt`; the place to fork), or one new token. `chat` and
        `generate` are loops over it."""
        return self._core.step()

    def cancel(self, turn: int = 0) -> None:
        """Ends that turn and no later one; 0: the present one. Any thread."""
        self._core.cancel(turn)

    def _with(self, message: str | Message | Messages) -> list[Message]:
        if not isinstance(message, (str, Mapping)):
            return list(message)
        said: list[Message] = list(self.messages)
        before = self._speaking()
        if before is not None and not before.ended:  # it is cut short here, and was heard so far
            said.append({"role": "assistant", "content": before.text})
        return [*said, {"role": "user", "content": message} if isinstance(message, str) else message]

    def _begin(self, messages: list[Message], done: Callable[[Reply], None]) -> Reply:
        self.messages = messages
        reply = Reply(self, self._turn, done)
        self._speaking = weakref.ref(reply)
        return reply

    def _hear(self, reply: Reply) -> None:
        if self._turn == reply.turn:
            self.messages.append({"role": "assistant", "content": reply.text})

    def _hear_more(self, reply: Reply) -> None:
        if self._turn == reply.turn:
            last = self.messages[-1]
            self.messages[-1] = {**last, "content": (last.get("content") or "") + reply.text}

    # ---- the list of tokens

    @property
    def tokens(self) -> Tokens:
        """int32 [n], a copy."""
        return self._core.tokens()[0]

    @property
    def marks(self) -> Marks:
        """bool [n], a copy: true where an assistant speaks."""
        return self._core.tokens()[1].astype(bool)

    def set_tokens(self, ids: npt.ArrayLike, *, position: int = 0, marks: npt.ArrayLike | None = None) -> int:
        """From position on (-1: at the end) the list reads ids, int [n]; gives the turn that begins. Computes nothing.

        Append: position -1. Rewind: no ids. marks, bool [n]: true where an assistant speaks; None: nowhere. Raises
        ContextFullError, nothing changed.
        """
        spoken = None if marks is None else np.asarray(marks, dtype=np.uint8)
        self._turn = self._core.set_tokens(position, _token_ids(ids), spoken)
        return self._turn

    def refresh(self, position: int | None = None) -> None:
        """Drops the cache from position on, None: from `info.stale_from`; the next steps compute it under the settings of now."""
        start = self.info.stale_from if position is None else position
        if start is not None:
            self._core.refresh(start)

    # ---- steering

    def steer(
        self,
        vector: Vector,
        strength: float = 1.0,
        *,
        op: Op | None = None,
        unit: Unit | None = None,
        span: Span | None = None,
        rows: Rows | None = None,
        layers: tuple[int, int] | None = None,
        layer_scales: npt.ArrayLike | None = None,
        strength_min: float | None = None,
        strength_max: float | None = None,
        low: float | None = None,
        high: float | None = None,
        conditions: Iterable[Condition] = (),
        hold: Gauge | None = None,
        hold_target: float | None = None,
        hold_rate: float | None = None,
    ) -> Injection:
        """Pushes a vector in, from the next step on, until it is removed: `with session.steer(vector, 8): ...`.

        op: "add"; "add_keep_norm"; "interval" moves the component along each row into [low, high], strength is the share of
        the way then. unit: "raw" length, "relative" to the stream's norm, "gaps" between neutral and persona; the last two
        take a calibrated vector. span: "all", "prompt", "reply". layers: half open, None: the vector's, or its calibrated band.
        layer_scales: float [layers], with `layers`. conditions: `gauge.above(...)`, `gauge.below(...)`. hold: the gauge that
        strength is moved to keep at hold_target, by at most hold_rate a token.

        Raises ArgumentError, MismatchError for another model's vector, UnsupportedError where a unit asks for calibration.
        """
        begin, end = layers if layers is not None else (None, None)
        scales = None if layer_scales is None else np.asarray(layer_scales, dtype=np.float32).tolist()
        number = self._core.add_injection(
            vector._core, strength=strength, op=op, unit=unit, span=span, rows=rows, layer_begin=begin, layer_end=end,
            layer_scales=scales, strength_min=strength_min, strength_max=strength_max, low=low, high=high,
            conditions=pack(list(conditions)), hold_gauge=None if hold is None else hold.id, hold_target=hold_target,
            hold_rate=hold_rate,
        )  # fmt: skip
        return Injection(self._core, number)

    def gauge(
        self,
        vector: Vector,
        *,
        metric: Metric | None = None,
        layers: tuple[int, int] | None = None,
        reduce: Reduce | None = None,
        reading: Reading | None = None,
        tap: Tap | None = None,
        scale: Scale | None = None,
        window: int | None = None,
        rows: Rows | None = None,
    ) -> Gauge:
        """Reads along a vector with every token: `step[gauge]`.

        layers: half open, None: the vector's gauge layer, else its last row. reading: what of the push is left in, "raw",
        "own", "own_corrected", "twin". scale: "natural", or "calibrated" with 0 neutral and 1 persona. window: mean of the
        turn's last n sampled tokens. tap: "before" or "after" the injections of the same site.
        """
        begin, end = layers if layers is not None else (None, None)
        number = self._core.add_gauge(
            vector._core, metric=metric, layer_begin=begin, layer_end=end, reduce=reduce, reading=reading, tap=tap,
            scale=scale, window=window, rows=rows,
        )  # fmt: skip
        return Gauge(self._core, number)

    def set_generation(
        self,
        *,
        token_max: int | None = None,
        seed: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        typical_p: float | None = None,
        top_k: int | None = None,
        repeat_penalty: float | None = None,
        presence_penalty: float | None = None,
        frequency_penalty: float | None = None,
        penalty_window: int | None = None,
        top_log_probs: int | None = None,
        prompt_log_probs: bool = False,
        json_schema: Mapping[str, Any] | str | bool | None = None,
        stop_texts: Sequence[str] = (),
        stop_tokens: Sequence[int] | None = None,
        biases: Mapping[int, float] | None = None,
        kl_budget: float | None = None,
        guard: Guard | None = None,
        model_defaults: bool = True,
    ) -> None:
        """How replies are sampled from the next step on. What is left out is as the model's generation_config has it, not as it
        was set before; model_defaults False: plain sampling.

        temperature 0: greedy. seed 0: a fresh one, told by `info`. json_schema: True: any JSON value; a schema, as dict or
        text: the reply is one value of it. stop_tokens: None: the model's; []: none. biases: {token: bias}, -inf forbids.
        top_log_probs: 0 to 20 candidates in `Step.top`. kl_budget: nats a token, in a session with a twin.
        """
        constraint, text = _constraint(json_schema)
        self._core.set_generation(
            self.model._core if model_defaults else None, token_max=token_max, seed=seed, temperature=temperature,
            top_p=top_p, min_p=min_p, typical_p=typical_p, top_k=top_k, repeat_penalty=repeat_penalty,
            presence_penalty=presence_penalty, frequency_penalty=frequency_penalty, penalty_window=penalty_window,
            top_log_probs=top_log_probs, prompt_log_probs=prompt_log_probs, constraint=constraint, constraint_text=text,
            stop_texts=list(stop_texts), stop_tokens=None if stop_tokens is None else [int(token) for token in stop_tokens],
            biases=None if biases is None else list(biases.items()), kl_budget=kl_budget, guard=guard,
        )  # fmt: skip

    def set_adapters(self, adapters: Iterable[tuple[Adapter, float]]) -> None:
        """LoRA adapters with their scales; unstable: may change in any release."""
        self._core.set_adapters([(adapter._core, scale) for adapter, scale in adapters])

    def observe(self, function: Observer | None, layers: Sequence[int] = ()) -> None:
        """function(layer, position, hidden): the stream at the output of a block, float32 [rows, hidden_size], a copy, at
        positions from position on; -1 is the embedding. An array that it answers is what later blocks see. What it raises comes
        out of the step, whose token stands. None: no more. Unstable: may change in any release; forks are not observed."""
        self._core.observe(list(layers), function)

    # ---- its life

    @property
    def info(self) -> SessionInfo:
        return SessionInfo(**self._core.info())

    def fork(self) -> Session:
        """A second session with the same tokens, cache and controls; `copy_of` finds its injections and gauges."""
        made = Session(self.model, _core=self._core.fork())
        made._turn = self._turn
        made.messages = list(self.messages)
        return made

    def copy_of(self, control: Control) -> Control:
        """In a fork: what stands for an injection or a gauge of the session it was forked from."""
        return type(control)(self._core, control.id)

    def save_state(self, *, cache: bool = False) -> bytes:
        """The conversation. cache: with its cache, bit for bit and large; without, the next steps compute it. Controls and
        `messages` are the host's to keep."""
        return self._core.save_state(cache)

    def load_state(self, state: bytes | bytearray | memoryview) -> None:
        """All or nothing. Raises MismatchError for a state of another model, FormatError."""
        self._core.load_state(state)
        self._turn = self.info.turn

    def close(self) -> None:
        """Frees tokens and cache. A call that runs on it elsewhere is cancelled. Any thread; twice is no fault."""
        self._core.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._core.closed:
            return "Session(closed)"
        info = self.info
        return f"Session(turn {info.turn}, {info.token_count} of {info.context_max} tokens, {info.computed_count} computed)"

    def _repr_html_(self) -> str:
        return html.fields(repr(self), {} if self._core.closed else vars(self.info))


def _token_ids(ids: npt.ArrayLike) -> Tokens:
    array = np.asarray(ids)
    if array.size and array.dtype.kind not in "iu":
        raise ArgumentError(f"ids: integers are expected, not {array.dtype}")
    return array.astype(np.int32).ravel()


def _constraint(schema: Mapping[str, Any] | str | bool | None) -> tuple[Union[str, None], Union[str, None]]:
    if schema is None or schema is False:
        return None, None
    if schema is True:
        return "json", None
    return "json_schema", schema if isinstance(schema, str) else json.dumps(dict(schema), ensure_ascii=False)
