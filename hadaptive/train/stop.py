"""SIGTERM, as schedulers send it, and SIGINT (Ctrl-C): note it, so that training can save and stop."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def noticed() -> Iterator[Callable[[], bool]]:
    """Defers SIGTERM and SIGINT; the function given tells whether one has come (to the main thread only).

    A second SIGINT is a KeyboardInterrupt: whoever presses Ctrl-C twice does not want to wait for an evaluation.
    """
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and number in asked:
            raise KeyboardInterrupt
        asked.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = [signal.signal(number, note) for number in SIGNALS]
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)
