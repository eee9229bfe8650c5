"""Threads that take turns where a test says so: every interleaving can be had, and had again."""

import threading
from collections.abc import Callable, Sequence

PATIENCE = 30.0


class Crashed(BaseException):
    """Ends a thread at its step, as the end of its process would."""


class Stage:
    """Runs functions in threads of which one moves at a time, from one `step` to its next."""

    def __init__(self) -> None:
        self._back = threading.Semaphore(0)
        self._own = threading.local()
        self._crashed = False
        self.errors: list[BaseException] = []

    def step(self) -> None:
        """Gives the turn away. Does nothing in a thread that is not on the stage."""
        turn: threading.Semaphore | None = getattr(self._own, "turn", None)
        if turn is not None:
            self._back.release()
            self._wait(turn)
            if self._crashed:
                raise Crashed

    def play(self, functions: Sequence[Callable[[], object]], choices: Sequence[int], most: int | None = None) -> None:
        """Lets the functions move in the order of `choices`, and crashes all of them after `most` moves.

        Each choice is taken modulo the number of those that are still running; when the choices are over, the first
        of them moves.
        """
        self._crashed = False
        running = [self._enter(function) for function in functions]
        moves = 0
        while running:
            self._crashed = self._crashed or moves == most
            chosen = running[choices[moves] % len(running) if moves < len(choices) else 0]
            chosen.turn.release()
            self._wait(self._back)
            running = [actor for actor in running if not actor.done]
            moves += 1
        if self.errors:
            raise self.errors[0]

    def _enter(self, function: Callable[[], object]) -> "_Actor":
        actor = _Actor()

        def act() -> None:
            self._own.turn = actor.turn
            self._wait(actor.turn)
            try:
                if not self._crashed:
                    function()
            except Crashed:
                pass
            except BaseException as error:
                self.errors.append(error)
            finally:
                actor.done = True
                self._back.release()

        threading.Thread(target=act, daemon=True).start()
        return actor

    @staticmethod
    def _wait(turn: threading.Semaphore) -> None:
        if not turn.acquire(timeout=PATIENCE):
            raise AssertionError("an actor neither steps nor ends: it waits for another one")


class _Actor:
    def __init__(self) -> None:
        self.turn = threading.Semaphore(0)
        self.done = False
