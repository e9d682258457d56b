"""What a training shows while it runs: a bar in a terminal, a line every 10 s in a log."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tqdm import tqdm

REFRESH_S = 0.5  # how often the bar reads the running sums, and so waits for the device
LOG_S = 10.0  # longest time without a line in a log


class Progress:
    """The steps of a training, out of `epochs` times `steps`.

    `shown`: False in all processes but the first, which then print nothing. `clock` returns seconds.
    """

    def __init__(
        self, epochs: int, steps: int, *, shown: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.epochs, self.steps, self.shown, self.clock = epochs, steps, shown, clock
        self.bar = tqdm(total=epochs * steps, disable=None if shown else True, unit="step", dynamic_ncols=True)
        self.every_s = math.inf if not shown else LOG_S if self.bar.disable else REFRESH_S
        self.last = clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.bar.close()

    def start_at(self, step: int) -> None:
        """Set the number of steps that are done."""
        self.bar.n = step

    def update(self, epoch: int, step: int, measured: Callable[[], str]) -> None:
        """Count a step, the `step`th of its epoch. `measured` is called only when its text is shown."""
        if self.clock() - self.last > self.every_s:
            if self.bar.disable:
                print(f"epoch {epoch}/{self.epochs}, step {step}/{self.steps}, {measured()}", flush=True)
            else:
                self.bar.set_description(f"epoch {epoch}/{self.epochs}", refresh=False)
                self.bar.set_postfix_str(measured(), refresh=False)
            self.last = self.clock()
        self.bar.update()

    def line(self, text: str) -> None:
        """Print a line, above the bar where there is one."""
        if self.shown:
            with self.bar.external_write_mode():
                print(text, flush=True)
            self.last = self.clock()
