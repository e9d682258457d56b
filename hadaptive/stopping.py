"""A program that runs trainings and is asked to stop: the trainings are told, so that they save and end at once."""

from __future__ import annotations

import contextlib
import signal
from types import FrameType

import psutil


def pass_on() -> None:
    """From now on SIGTERM and the first SIGINT to this process are also sent, as SIGTERM, to the verbs it has started.

    A signal to one process does not reach those it has started, and a program that waits for them would wait for hours.
    Call it in the main thread, after what else sets handlers: what they do is still done. Further SIGINTs are ignored:
    the trainings are saving.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)

        def told(number: int, frame: FrameType | None, before: object = before) -> None:
            if number == signal.SIGINT:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            for verb in verbs():
                with contextlib.suppress(psutil.Error):
                    verb.send_signal(signal.SIGTERM)
            if callable(before):
                before(number, frame)

        signal.signal(number, told)


def verbs() -> list[psutil.Process]:
    """Return the processes below this one that run `python -m hadaptive VERB`; not the shells that wait for them."""
    processes = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[1:3] == ["-m", "hadaptive"]:
                processes.append(process)
    return processes
