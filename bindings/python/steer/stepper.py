"""Steps that asyncio tasks wait for: one thread for a model, all that wait at the same time in one forward."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import Optional, Union

from . import _steer

Outcome = Union[_steer.Step, BaseException]

IDLE_SECONDS = 1.0  # how long the thread waits for work before it ends; the next step starts another


class Job:
    """A step of one session, and the task that waits for it. All but `core` belongs to the loop's thread."""

    __slots__ = ("core", "loop", "future", "_made", "_settled")

    def __init__(self, core: _steer.Session) -> None:
        self.core = core
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Outcome] = self.loop.create_future()
        self._made = False
        self._settled: Optional[asyncio.Future[None]] = None

    def deliver(self, outcome: Outcome) -> None:
        self._made = True
        if not self.future.done():
            self.future.set_result(outcome)
        elif self._settled is not None and not self._settled.done():
            self._settled.set_result(None)

    async def settled(self) -> None:
        """Until the step is made, although nobody wants it any more; a second cancel does not shorten that."""
        while not self._made:
            self._settled = self.loop.create_future()
            try:
                await self._settled
            except asyncio.CancelledError:
                continue


class Stepper:
    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._lock = threading.Lock()  # of _thread
        self._thread: threading.Thread | None = None

    def submit(self, core: _steer.Session) -> Job:
        """The session's next step, to be awaited in the running loop."""
        job = Job(core)
        with self._lock:
            self._waiting.put(job)
            if self._thread is None or not self._thread.is_alive():  # dead: this is the child of a fork
                self._thread = threading.Thread(target=self._run, name="steer-steps", daemon=True)
                self._thread.start()
        return job

    def _run(self) -> None:
        while True:
            try:
                batch = [self._waiting.get(timeout=IDLE_SECONDS)]
            except queue.Empty:
                with self._lock:
                    if self._waiting.empty():
                        self._thread = None
                        return
                continue
            while not self._waiting.empty():
                batch.append(self._waiting.get())
            _step(batch)
            del batch  # while it waits it keeps nobody's session alive


def _step(batch: list[Job]) -> None:
    outcomes: list[Outcome]
    try:
        if len(batch) == 1:
            outcomes = [batch[0].core.step()]
        else:
            outcomes = list(_steer.Session.step_many([job.core for job in batch]))
    except BaseException as error:  # each waiter gets it
        outcomes = [error] * len(batch)
    loops: dict[asyncio.AbstractEventLoop, list[tuple[Job, Outcome]]] = {}
    for job, outcome in zip(batch, outcomes):
        loops.setdefault(job.loop, []).append((job, outcome))
    for loop, results in loops.items():
        try:
            loop.call_soon_threadsafe(_deliver, results)
        except RuntimeError:  # the loop was closed: nobody waits any more
            pass


def _deliver(results: list[tuple[Job, Outcome]]) -> None:
    for job, outcome in results:
        job.deliver(outcome)
