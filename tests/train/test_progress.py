"""What a training shows while it runs, on a clock of the test's own."""

from __future__ import annotations

import sys

import pytest

from hadaptive.train.progress import LOG_S, REFRESH_S, Progress


class Clock:
    """A clock that stands where the test puts it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_a_line_when_there_was_none_for_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Progress(6, 300, clock=clock) as display:
        for step, clock.now in enumerate((1.0, LOG_S, LOG_S + 1, LOG_S + 2, 2 * LOG_S + 1, 2 * LOG_S + 2), start=1):
            display.update(2, step, lambda: f"at {clock.now:g} s")
    out, err = capsys.readouterr()
    assert out.splitlines() == ["epoch 2/6, step 3/300, at 11 s", "epoch 2/6, step 6/300, at 22 s"]
    assert err == "", "no bar"


def test_the_line_of_an_epoch_counts(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Progress(6, 300, clock=clock) as display:
        clock.now = LOG_S - 1
        display.line("epoch 1: done")
        clock.now = LOG_S + 1
        display.update(2, 1, lambda: "not yet")
    assert capsys.readouterr().out == "epoch 1: done\n"


def test_other_processes_print_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Progress(6, 300, shown=False, clock=clock) as display:
        clock.now = 1e6
        display.update(2, 1, lambda: pytest.fail("waits for the device"))
        display.line("epoch 1: done")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_and_no_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    clock = Clock()
    with Progress(6, 300, clock=clock) as display:
        display.start_at(300)
        clock.now = 2 * REFRESH_S
        display.update(2, 1, lambda: "loss 1.000")
        display.bar.refresh()
    out, err = capsys.readouterr()
    assert out == "" and "epoch 2/6" in err and "301/1800" in err and "loss 1.000" in err
