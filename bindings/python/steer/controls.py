"""What turns a session's knobs and reads its dials: injections and gauges. Any thread may, at any time."""

from __future__ import annotations

from dataclasses import dataclass

from . import _steer
from .types import When


@dataclass(frozen=True)
class Condition:
    """A gauge past a value; see `Gauge.above`, `Gauge.below`."""

    gauge: Gauge
    when: When
    test: str
    enter: float
    leave: float
    group: int


class _Control:
    """A number of the session's. It keeps the conversation alive, not the `Session` that it was asked of."""

    def __init__(self, core: _steer.Session, number: int) -> None:
        self._core = core
        self._number = number

    @property
    def id(self) -> int:
        """As steer.h has it: never reused in a session, the same in its forks."""
        return self._number

    @property
    def slot(self) -> int:
        """Its place in `Step.strengths` or `Step.gauges`, until it is removed."""
        return self._number & 0xFF

    def remove(self) -> None:
        raise NotImplementedError

    def __exit__(self, *_: object) -> None:
        if not self._core.closed:
            self.remove()


class Injection(_Control):
    """A vector pushed in. `with session.steer(...)` takes it out at the end of the block."""

    def set(self, value: float, *, ramp_tokens: int = 0) -> None:
        """Strength, or the target where a gauge is held. From the next step on, or gliding there in ramp_tokens tokens. The
        last set wins. Raises ArgumentError where it was removed or value is not finite."""
        self._core.set_strength(self._number, value, ramp_tokens)

    def remove(self) -> None:
        """Takes it out, from the next step on."""
        self._core.remove_injection(self._number)

    def read(self, step: _steer.Step) -> float:
        """The strength in force in the pass of a step: after ramp, hold, condition, guard. NaN: none. Also `step[injection]`."""
        return step.strength_at(self.slot)

    def __enter__(self) -> Injection:
        return self

    def __repr__(self) -> str:
        return f"Injection(slot {self.slot})"


class Gauge(_Control):
    """A dial: how far the stream lies along a vector. One value comes with every token."""

    def remove(self) -> None:
        """Not before the injections that are held by it or have conditions on it."""
        self._core.remove_gauge(self._number)

    def read(self, step: _steer.Step) -> float:
        """Its value in the pass that chose a step's token; NaN: unknown. Also `step[gauge]`."""
        return step.gauge_at(self.slot)

    def above(self, enter: float, leave: float | None = None, *, when: When = "last_step", group: int = 0) -> Condition:
        """True once the gauge is past enter, until it is back past leave (None: enter). "last_step": one token late, sampled
        tokens; "same_pass": every position, for injections above the gauge. Within a group all must hold, of the groups any."""
        return Condition(self, when, "above", enter, enter if leave is None else leave, group)

    def below(self, enter: float, leave: float | None = None, *, when: When = "last_step", group: int = 0) -> Condition:
        """True once the gauge is under enter, until it is back over leave; see `above`."""
        return Condition(self, when, "below", enter, enter if leave is None else leave, group)

    def __enter__(self) -> Gauge:
        return self

    def __repr__(self) -> str:
        return f"Gauge(slot {self.slot})"


def pack(conditions: list[Condition]) -> list[tuple[int, str, str, float, float, int]]:
    return [(one.gauge.id, one.when, one.test, one.enter, one.leave, one.group) for one in conditions]
