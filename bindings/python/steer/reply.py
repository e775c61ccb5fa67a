"""A turn that is being spoken: a stream of steps, for `for` and for `async for`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Callable, Optional

import numpy as np

from . import _steer, html
from .controls import Gauge
from .errors import StateError
from .stepper import Job
from .types import Array

if TYPE_CHECKING:
    from .session import Session

Step = _steer.Step
_Done = Optional[Callable[["Reply"], None]]


class Reply:
    """The steps of one turn: iterate over it, or `read` it whole.

    Each step brings a token, its text, log-probability, gauges (`step[gauge]`), or the turn's finish. Steps over the prompt
    are made in between and kept in `prompt_steps`. What the session's controls are told between two steps acts on the next.
    Closing it, letting go of it, or cancelling the task that waits for it ends the turn; the session stands at its last token.

    A failing step raises (NumericError, DeviceMemoryError ...) and leaves the session as it was: going on is allowed.
    """

    def __init__(self, session: Session, turn: int, done: _Done = None) -> None:
        self.steps: list[Step] = []
        self.prompt_steps: list[Step] = []
        self.turn = turn
        self._session, self._core, self._done = session, session._core, done
        self.finish: str | None = None
        self._over = False

    # ---- what has come so far

    @property
    def text(self) -> str:
        return "".join([step.text for step in self.steps])

    @property
    def tokens(self) -> list[int]:
        return [step.token for step in self.steps if step.token is not None]

    def trace(self, gauge: Gauge) -> Array:
        """A gauge's value with each token, float32 [tokens]."""
        return np.array([step[gauge] for step in self.steps if step.token is not None], dtype=np.float32)

    @property
    def ended(self) -> bool:
        return self._over

    # ---- making steps

    def __iter__(self) -> Reply:
        return self

    def __next__(self) -> Step:
        while not self._over:
            if self._session._turn != self.turn:
                self._check_turn()
            step = self._core.step()
            if step.is_plain:  # most are: nothing but a token
                self.steps.append(step)
                return step
            if self._take(step):
                return step
        raise StopIteration

    def read(self) -> str:
        """Speaks the rest in one call of the library, without Python in between, and gives the whole text."""
        if not self.ended:
            self._check_turn()
            for step in self._core.run():
                self._take(step)
        return self.text

    def __aiter__(self) -> Reply:
        return self

    async def __anext__(self) -> Step:
        while not self._over:
            self._check_turn()
            step = await self._wait(self._session.model._stepper.submit(self._core))
            if self._take(step):
                return step
        raise StopAsyncIteration

    async def _wait(self, job: Job) -> Step:
        try:
            outcome = await job.future
        except asyncio.CancelledError:
            self.close()
            await job.settled()  # to the end of a layer: then the session is free for the next turn
            raise
        if isinstance(outcome, BaseException):
            raise outcome
        if outcome.error is not None:
            raise outcome.error
        return outcome

    async def read_async(self) -> str:
        """Speaks the rest without blocking the event loop and gives the whole text. `await reply` is the same."""
        async for _ in self:
            pass
        return self.text

    def __await__(self) -> Any:
        return self.read_async().__await__()

    def _check_turn(self) -> None:
        if self._session._turn != self.turn:
            raise StateError(f"turn {self.turn} is over: turn {self._session._turn} has begun in its session")

    def _take(self, step: Step) -> bool:
        """Notes a step; true: one for the host."""
        if step.is_prompt and step.finish is None:
            self.prompt_steps.append(step)
            return False
        if step.token is None and step.guard and not step.is_prompt:  # the guard took tokens back
            self.steps = [one for one in self.steps if one.position <= step.position]
        self.steps.append(step)
        self.finish = step.finish
        if self.finish is not None:
            self._over = True
            self._end()
        return True

    # ---- its end

    def close(self) -> None:
        """Ends the turn where it stands. Any thread, any time; a later turn is not touched."""
        if not self.ended:
            self._over = True
            self._core.cancel(self.turn)
            self._end()

    async def aclose(self) -> None:
        self.close()

    def _end(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(self)

    def __enter__(self) -> Reply:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self.steps or self.prompt_steps:  # one that nobody has listened to leaves its turn to `Session.step`
            self.close()

    # ---- to look at

    def plot(self, *gauges: Gauge, **how: Any) -> Any:
        """The gauges over the reply's tokens as a matplotlib figure: see `steer.plot`."""
        from .plot import plot

        return plot(self, *gauges, **how)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        state = self.finish or ("closed" if self._over else "speaking")
        return f"Reply({len(self.tokens)} tokens, {state}, {self.text!r})"

    def _repr_html_(self) -> str:
        return html.reply(self.steps, repr(self))
