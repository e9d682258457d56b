"""What every attack of the red team is: something done to a folder, and the one message it must meet."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hadaptive.errors import UserError

REFUSED, HARMLESS = "refused with one message", "harmless"
ACCEPTED, TRACEBACK, OTHER, SLOW = "accepted wrongly", "traceback", "another message", "too slow"


@dataclass(frozen=True)
class Attack:
    """`strike(folder)` attacks in an empty folder; `expected` is a regular expression that the error must match.

    Without an expectation the attack may be refused or pass, but must not end in a traceback.
    """

    name: str
    strike: Callable[[Path], Any]
    expected: str | None


@dataclass(frozen=True)
class Outcome:
    """How an attack ended, with the message or the exception, and the processor time it took."""

    verdict: str
    text: str
    cpu_s: float

    @property
    def good(self) -> bool:
        return self.verdict in (REFUSED, HARMLESS)


def tried(attack: Attack, folder: Path) -> Outcome:
    """Strike once and judge."""
    started = time.process_time()

    def ended(verdict: str, text: str = "") -> Outcome:
        return Outcome(verdict, text, time.process_time() - started)

    try:
        attack.strike(folder)
    except UserError as error:
        fits = attack.expected is None or re.search(attack.expected, str(error))
        return ended(REFUSED if fits else OTHER, str(error))
    except Exception as error:
        return ended(TRACEBACK, f"{type(error).__name__}: {error}")
    return ended(ACCEPTED if attack.expected is not None else HARMLESS)
