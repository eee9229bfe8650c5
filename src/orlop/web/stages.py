"""Use cases in steps, run for the event loop: a stage for each kind of step, where what waits is done together.

While one stage syncs content to the disk, another commits what came before: the more wait, the more share each sync.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from orlop.steps import Case, Steps
from orlop.web.outcomes import Outcome, Outcomes

Result = TypeVar("Result")


def _start(arguments: Sequence[Any]) -> Sequence[Any]:
    """The step before the first."""
    return [None] * len(arguments)


class _Running(Case):
    __slots__ = ("outcome",)

    def __init__(self, steps: Steps[Any]) -> None:
        super().__init__(steps)
        self.outcome = Outcome()


class Stages:
    """Runs use cases in a few threads of its own. No stage is at work twice at one time."""

    THREADS = 3
    MOST = 64
    """Use cases in one group; a larger one would keep its first too long."""

    def __init__(self, reading: Callable[[], AbstractContextManager[object]]) -> None:
        """`reading` is entered while use cases look things up."""
        self._reading = reading
        self._state = threading.Condition()
        self._waiting: dict[Callable[..., Any], deque[_Running]] = {}  # by what their step is to be done by
        self._busy: set[Callable[..., Any]] = set()
        self._idle = 0
        self._outcomes = Outcomes()
        self._closed = False
        self._threads: list[threading.Thread] = []

    async def perform(self, steps: Steps[Result]) -> Result:
        """Runs a use case, to its end, also when the caller is cancelled."""
        running = _Running(steps)
        self._outcomes.new(running.outcome)
        with self._state:
            if self._closed:
                raise RuntimeError("the server has stopped")
            self._queue(_start, running)
            if not self._idle and len(self._threads) < self.THREADS:
                thread = threading.Thread(target=self._run, name=f"stage_{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
            else:
                self._state.notify()
        result: Result = await running.outcome.wait()
        return result

    def close(self) -> None:
        """Ends the threads, once they have done what they were given."""
        with self._state:
            self._closed = True
            self._state.notify_all()
        for thread in self._threads:
            thread.join()

    def _queue(self, do: Callable[..., Any], running: _Running) -> None:
        self._waiting.setdefault(do, deque()).append(running)

    def _run(self) -> None:
        while True:
            with self._state:
                while (do := self._next()) is None:
                    if self._closed and not self._busy:
                        return
                    self._idle += 1
                    self._state.wait()
                    self._idle -= 1
                queue = self._waiting[do]
                group = [queue.popleft() for _ in range(min(len(queue), self.MOST))]
                self._busy.add(do)
            self._work(do, group)
            with self._state:
                self._busy.discard(do)
                for running in group:
                    if running.step is not None:
                        self._queue(running.step.do, running)
                if self._idle:
                    # This thread goes on with one stage; another may begin what else has become possible.
                    self._state.notify(2 if self._closed else 1)

    def _next(self) -> Callable[..., Any] | None:
        """A stage that has work and is not at it: the last one, so that what was begun gets done."""
        found, order = None, -2
        for do, queue in self._waiting.items():
            if queue and do not in self._busy:
                step = queue[0].step
                if (step.order if step is not None else -1) > order:
                    found, order = do, step.order if step is not None else -1
        return found

    def _work(self, do: Callable[..., Any], group: list[_Running]) -> None:
        try:
            outcomes = do([running.step.argument if running.step is not None else None for running in group])
        except BaseException as error:  # noqa: BLE001  # whoever waits must be told
            outcomes = [error] * len(group)
        self._advance(group, outcomes)
        self._outcomes.tell(
            (running.outcome, None, running.answer)
            if isinstance(running.answer, BaseException)
            else (running.outcome, running.answer, None)
            for running in group
            if running.step is None
        )

    def _advance(self, group: list[_Running], outcomes: Sequence[Any]) -> None:
        """To the next steps, also where the database can't be read: a thread that ended here would leave its stage
        busy for ever."""
        gone_on = 0
        try:
            with self._reading():
                for running, outcome in zip(group, outcomes, strict=True):
                    running.advance(outcome)
                    gone_on += 1
        except Exception as error:  # noqa: BLE001  # whoever waits must be told
            for running in group[gone_on:]:
                running.advance(error)
