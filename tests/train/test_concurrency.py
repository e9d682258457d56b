"""The benchmark of trainings that share a device: its arithmetic, and the CPU in a GPU's place."""

from __future__ import annotations

from pathlib import Path

import pytest

from hadaptive import cli
from hadaptive.devices import gpus
from hadaptive.errors import UserError
from hadaptive.train.concurrency import concurrency_ratios, summary

TINY = {"device": "cpu", "image_size": 32, "threads": 1, "batch_size": 8, "seconds": 0.3, "rounds": 1}


def test_a_ratio_is_of_turns_of_one_round_and_the_median_counts() -> None:
    """A machine that slows down to a half between rounds changes no ratio."""
    assert summary({1: [100.0, 50.0, 40.0], 2: [150.0, 75.0, 60.0], 3: [180.0, 90.0, 80.0]}) == [
        {"processes": 1, "images_per_s": 50.0, "ratio": 1.0},
        {"processes": 2, "images_per_s": 75.0, "ratio": 1.5},
        {"processes": 3, "images_per_s": 90.0, "ratio": 1.8},
    ]


@pytest.mark.slow
def test_two_trainings_in_processes_of_their_own(digits: Path) -> None:
    found = concurrency_ratios("mobilenetv3_small_100", digits, most=2, **TINY)
    one, two = found["sharing"]
    assert (one["processes"], two["processes"]) == (1, 2) and one["ratio"] == 1
    assert one["images_per_s"] > 0 and two["ratio"] == pytest.approx(
        two["images_per_s"] / one["images_per_s"], rel=0.01
    )


@pytest.mark.slow
def test_why_it_does_not_train_is_said(digits: Path) -> None:
    with pytest.raises(UserError, match=r"no_such_net does not train on cpu: .*no_such_net"):
        concurrency_ratios("no_such_net", digits, **TINY)


def test_without_a_gpu_it_says_so_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HADAPTIVE_GPUS", "")
    gpus.cache_clear()
    assert cli.main(["bench", "share"]) == 1
    gpus.cache_clear()
    (line,) = capsys.readouterr().err.splitlines()
    assert "bench share needs a CUDA device" in line
