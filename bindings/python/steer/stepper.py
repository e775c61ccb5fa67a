"""Steps that asyncio tasks wait for: one thread for a model, all that wait at the same time in one forward."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import Union

from . import _steer

Outcome = Union[_steer.Step, BaseException]
_Future = asyncio.Future[Outcome]
_Item = tuple[_steer.Session, asyncio.AbstractEventLoop, _Future]

IDLE_SECONDS = 1.0  # how long the thread waits for work before it ends; the next step starts another


class Stepper:
    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._lock = threading.Lock()  # of _thread
        self._thread: threading.Thread | None = None

    def submit(self, core: _steer.Session) -> _Future:
        """A future of the running loop for the session's next step, or for what making it raised."""
        loop = asyncio.get_running_loop()
        future: _Future = loop.create_future()
        with self._lock:
            self._waiting.put((core, loop, future))
            if self._thread is None or not self._thread.is_alive():  # dead: this is the child of a fork
                self._thread = threading.Thread(target=self._run, name="steer-steps", daemon=True)
                self._thread.start()
        return future

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


def _step(batch: list[_Item]) -> None:
    outcomes: list[Outcome]
    try:
        if len(batch) == 1:
            outcomes = [batch[0][0].step()]
        else:
            outcomes = list(_steer.Session.step_many([core for core, _, _ in batch]))
    except BaseException as error:  # each waiter gets it
        outcomes = [error] * len(batch)
    loops: dict[asyncio.AbstractEventLoop, list[tuple[_Future, Outcome]]] = {}
    for (_, loop, future), outcome in zip(batch, outcomes):
        loops.setdefault(loop, []).append((future, outcome))
    for loop, results in loops.items():
        try:
            loop.call_soon_threadsafe(_deliver, results)
        except RuntimeError:  # the loop was closed: nobody waits any more
            pass


def _deliver(results: list[tuple[_Future, Outcome]]) -> None:
    for future, outcome in results:
        if not future.done():
            future.set_result(outcome)
