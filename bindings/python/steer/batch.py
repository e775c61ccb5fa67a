"""Several replies in one forward."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from . import _steer
from .reply import Reply, Step


class Batch:
    """Replies of sessions of one model, spoken together: each round is one forward for all that have not ended.

    `for steps in Batch(replies)` gives a list with a step for each reply, None where it has ended or its prompt is still
    computed; `read` gives the texts. One that fails does not disturb the others: it ends, and its step has the `error`.
    Tasks of asyncio need no batch: what they wait for at the same time is computed together.
    """

    def __init__(self, replies: Iterable[Reply]) -> None:
        self.replies = list(replies)

    def __iter__(self) -> Batch:
        return self

    def __next__(self) -> list[Optional[Step]]:
        speaking = [reply for reply in self.replies if not reply.ended]
        if not speaking:
            raise StopIteration
        for reply in speaking:
            reply._check_turn()
        steps = dict(zip(map(id, speaking), _steer.Session.step_many([reply._core for reply in speaking])))
        return [_hand(reply, steps.get(id(reply))) for reply in self.replies]

    def read(self) -> list[str]:
        """The texts of all, once all have ended. Raises what the first that failed would have raised."""
        failed = [step.error for steps in self for step in steps if step is not None and step.error is not None]
        if failed:
            raise failed[0]
        return [reply.text for reply in self.replies]

    def __repr__(self) -> str:
        return f"Batch({sum(not reply.ended for reply in self.replies)} of {len(self.replies)} replies speaking)"


def _hand(reply: Reply, step: Step | None) -> Step | None:
    if step is None:
        return None
    if step.error is not None:
        reply.close()
        return step
    return step if reply._take(step) else None
