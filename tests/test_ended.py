"""What a log says when a signal ended the job."""

from __future__ import annotations

import signal

import pytest

from hadaptive import ended
from hadaptive.recipes import Recipe, SearchRecipe
from hadaptive.run import Classification, Measure, ModelMeasure, Search
from tests.search.conftest import SMALL

RUN = Classification(
    scale="demo", task="cifar100", model="starnet_s1", variant="base", dataset="digits", recipe=Recipe(), seed=2
)
SEARCH = Search.model_validate(
    {
        "scale": "demo",
        "task": "search",
        "model": "hadaptive_net",
        "variant": "small",
        "dataset": "digits",
        "seed": 0,
        "space": SMALL,
        "recipe": SearchRecipe().model_dump(),
    }
)


@pytest.mark.parametrize(
    ("words", "job"),
    [
        (["train", RUN.dumps(), "--threads", "1"], "train cifar100/starnet_s1/base/seed2"),
        (["train", SEARCH.dumps()], "train search/small/seed0"),
        (["measure", Measure(scale="demo", kind="variance").dumps()], "measure variance"),
        (
            ["export", ModelMeasure(scale="demo", kind="complexity", model="starnet_s1", variant="base").dumps()],
            "export complexity/starnet_s1/base",
        ),
        (["render", "table7", "--spec", "{}"], "render table7"),
        (["bundle", "--params", "{}"], "bundle"),
    ],
)
def test_the_job_is_named(words: list[str], job: str) -> None:
    said = ended.message(128 + signal.SIGBUS, ["-m", "hadaptive", *words])
    assert said is not None and said.startswith(f"hadaptive: {job} was ended by SIGBUS (Bus error).\n")


@pytest.mark.parametrize(
    ("ended_by", "remedy"),
    [
        (signal.SIGSEGV, "ONEDNN_MAX_CPU_ISA=AVX"),
        (signal.SIGILL, "ONEDNN_MAX_CPU_ISA=AVX"),
        (signal.SIGKILL, "--cores 1"),
        (signal.SIGXCPU, "Run the same command again"),
    ],
)
def test_every_signal_has_a_remedy(ended_by: signal.Signals, remedy: str) -> None:
    said = ended.message(128 + ended_by, ["-m", "hadaptive", "bundle"])
    assert said is not None and ended_by.name in said and remedy in said


@pytest.mark.parametrize("status", [1, 128, 128 + signal.SIGTERM, 128 + signal.SIGINT, 255])
def test_other_ends_speak_for_themselves(status: int) -> None:
    assert ended.message(status, ["-m", "hadaptive", "bundle"]) is None
