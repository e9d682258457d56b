"""`hadaptive settle`: what is run first, what fits into the time, what is said before and after."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from hadaptive import cli, config
from hadaptive.cli import settle
from hadaptive.cli.settle import changed
from hadaptive.paper.claims.findings import CONTRADICTED, HOLDS, NOT_RUN, UNDECIDED
from hadaptive.paper.claims.statements import CLAIMS, Judged, Verdict
from hadaptive.plan import Past
from hadaptive.run import Run
from hadaptive.study import Study
from hadaptive.study.intended import Intended, intend
from hadaptive.study.settling import awaited, in_order

ROOT = Path(__file__).resolve().parent.parent
VALUES = yaml.safe_load((ROOT / "params.yaml").read_text())


@pytest.fixture(scope="module")
def study() -> Study:
    """Scale cpu, where nothing is on record."""
    return Study(config.check({**VALUES, "scale": "cpu", "reference": "never"}))


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def judged(verdicts: dict[str, str]) -> list[Judged]:
    """The claims, not run where no verdict is given."""
    return [Judged(each, (Verdict("said", verdicts.get(each.number, NOT_RUN), ""),)) for each in CLAIMS]


def names(runs: Sequence[Run]) -> list[str]:
    return [run.id.removeprefix("cifar100/") for run in runs]


def test_what_completes_a_claim_soonest_comes_first(study: Study) -> None:
    claims = [each for each in CLAIMS if each.number in ("1", "15")]
    waits = awaited(study, claims)
    runs = [run for run in study.runs.values() if any(run.id in ids for ids in waits.values())]
    slow = {run.id: 600.0 if "hadaptive_net_s" in run.id else 60.0 for run in runs}
    order = names(in_order(study, runs, slow, claims))
    assert len(order) == 12 and all("mobilenetv3" in name for name in order[:3]), "claim 15 takes a tenth"
    assert [name[-1] for name in order] == ["0"] * 6 + ["1"] * 6, "one seed of each before a second of any"
    quick = {each: 660.0 - seconds for each, seconds in slow.items()}
    assert all("hadaptive_net_s" in name for name in names(in_order(study, runs, quick, claims))[:3])
    assert sorted(names(in_order(study, runs, {}, claims))) == sorted(order), "times may be unknown"


def test_only_claims_that_are_open_are_waited_for_and_only_what_fits_is_chosen(
    study: Study, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "hadaptive.study.intended.seconds_of", lambda runs, known, device: {run.id: 900.0 for run in runs}
    )
    settled = {each.number: CONTRADICTED if each.number in "258" else HOLDS for each in CLAIMS}
    intended = intend(
        study, judged({**settled, "1": UNDECIDED, "15": UNDECIDED, "14": NOT_RUN}), Past(), hours=1.0, cores=1
    )
    assert set(intended.waits) == {"1", "14", "15"} and intended.fit == 4
    assert {name.split("/")[1] for name in names(intended.runs)} == {
        "dysoft", "dysig", "dyalge", "all_ghost", "repl_v1", "repl_v1_unnormalised", "repl_v1_batchnorm",
    }  # fmt: skip
    assert [each.kind for each in intended.measures] == ["explain"] * 2
    assert intend(study, judged({**settled, "1": UNDECIDED}), Past(), hours=0.01, cores=1).fit == 1, "it is resumed"
    text = settle.summary(intended, 1.0, 1)
    assert "4 of 14 missing Runs within 60 min: expected to take 60 min on 1 cores" in text
    nothing = intend(study, judged(settled), Past(), hours=1.0, cores=1)
    assert settle.summary(nothing, 1.0, 1).startswith("nothing to run: ") and nothing.chosen == []


def test_a_claim_is_expected_to_be_judged_where_one_seed_of_each_is_there(study: Study) -> None:
    runs = [study.runs[f"cifar100/hadaptive_net_s/{each}/seed{n}"] for n in (0, 1) for each in ("dysig", "dyalge")]
    waits = {"1": {run.id for run in runs} | {"cifar100/hadaptive_net_s/dysoft/seed0"}, "2": {"other"}}
    intended = Intended(runs, {}, 1, waits, [])
    assert intended.judged == [] and replace(intended, fit=2).judged == ["1"]


class Snakemake:
    """Stands for `snakemake`: notes how it is started, and runs for as long as it is told."""

    def __init__(self, seconds: float, code: int = 0) -> None:
        self.seconds, self.code, self.commands, self.signals = seconds, code, list[list[str]](), list[int]()

    def __call__(self, command: list[str]) -> Snakemake:
        self.commands.append(command)
        return self

    def wait(self, timeout: float | None = None) -> int:
        if timeout is not None and timeout < self.seconds:
            raise subprocess.TimeoutExpired("snakemake", timeout)
        return self.code

    def send_signal(self, number: int) -> None:
        self.signals.append(number)


def test_the_workflow_is_given_a_few_records_at_a_time_until_the_time_is_over(
    study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, end = list(study.runs.values())[:8], time.monotonic() + 1000
    for seconds, calls, signals in ((1.0, 2, []), (2000.0, 1, [signal.SIGTERM])):
        fake = Snakemake(seconds)
        monkeypatch.setattr(settle.subprocess, "Popen", fake)
        assert settle._run("cpu", runs, end, cores=2) is False
        assert len(fake.commands) == calls and fake.signals == signals
        words = fake.commands[0]
        assert words[1:5] == ["-m", "snakemake", "--cores", "2"] and words[-2:] == ["scale=cpu", "reference=first"]
        assert [word for word in words if word.endswith("record.json")] == [
            f"{run.folder.as_posix()}/record.json" for run in runs[:6]
        ]
    assert "saved, and resumed when this command runs again" in capsys.readouterr().out
    late = Snakemake(1.0)
    monkeypatch.setattr(settle.subprocess, "Popen", late)
    assert settle._run("cpu", runs, time.monotonic(), cores=2) is False and late.commands == []
    monkeypatch.setattr(settle.subprocess, "Popen", Snakemake(1.0, code=1))
    assert settle._run("cpu", runs, end, cores=2) is True


def test_what_changed_is_said() -> None:
    before, after = judged({}), judged({"1": HOLDS, "6": UNDECIDED})
    assert changed(before, after).splitlines()[1:] == [
        "claim 1: not run -> holds (1 not run -> 1 holds)",
        "claim 6: not run -> undecided (1 not run -> 1 undecided)",
    ]
    assert changed(before, before) == "no verdict changed"


def test_a_dry_run_starts_nothing(empty: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    (empty / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.setattr(settle.subprocess, "Popen", None)
    monkeypatch.setattr("hadaptive.paper.claims.statements.judge", lambda spec, root: judged({}))
    assert cli.main(["settle", "--scale", "cpu", "--hours", "1", "-n"]) == 0
    assert "missing Runs within 60 min" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.main(["settle", "--hours", "0"])
    assert "0 is not a number above 0" in capsys.readouterr().err
