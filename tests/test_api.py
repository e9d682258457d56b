"""The Python API says what the command line says."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import yaml

import hadaptive
from hadaptive.errors import UserError
from hadaptive.paper.claims import statements
from tests.records import put_sealed

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_a_table_is_the_one_that_is_rendered() -> None:
    table = hadaptive.table("table7", "cpu")
    shown = [line for line in table.to_markdown().splitlines() if line.startswith("|")]
    assert "\n".join(shown) in (ROOT / "docs/results.md").read_text()
    frame = table.to_pandas()
    assert frame.loc["Hadaptive-Net-S", "cifar100_top1_n"] == 2
    assert frame["cifar100_top1"].dtype == float and pd.isna(frame.loc["Hadaptive-Net-L", "cifar100_top1"])
    assert frame.loc["Hadaptive-Net-L", "cifar100_top1_reason"] == "not run"
    assert "\\begin{table" in table.to_latex()
    assert "cifar100_top1_published" in hadaptive.table("table7", "cpu", compared=True).to_pandas()


def test_claims_are_those_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    few = statements.CLAIMS[:2]  # all of them take seconds
    monkeypatch.setattr(statements, "judge", partial(statements.judge, claims=few))
    found = hadaptive.claims("cpu")
    assert list(dict.fromkeys(found["claim"])) == [claim.number for claim in few]
    assert {"verdict", "because"} <= set(found.columns) and found["verdict"].all()


def test_settings_take_the_place_of_the_files() -> None:
    study = hadaptive.load_study("demo", models=["starnet_s1"])
    assert isinstance(study, hadaptive.Study)
    assert {run.model for run in study.runs.values() if run.task == "cifar100"} == {"starnet_s1"}


def test_the_record_made_here_comes_before_the_bundled_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = hadaptive.load_study("cpu").find("cifar100/starnet_s1/base/seed0")
    assert isinstance(run, hadaptive.Run)
    bundled = hadaptive.read_record(run)
    assert isinstance(bundled, hadaptive.Record) and bundled.at("metrics", "top1_last") == pytest.approx(
        35.31, abs=0.01
    )
    monkeypatch.chdir(tmp_path)
    put_sealed(tmp_path / "results/reference", {"id": run.id, "scale": "cpu", "metrics": {"top1_last": 1.0}})
    assert hadaptive.read_record(run).at("metrics", "top1_last") == 1.0
    put_sealed(tmp_path / "results", {"id": run.id, "scale": "cpu", "metrics": {"top1_last": 2.0}})
    assert hadaptive.read_record(run).at("metrics", "top1_last") == 2.0


def test_a_table_of_ones_own_has_no_published_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = yaml.safe_load(Path("params.yaml").read_text())
    values["search"]["mine"] = values["search"]["table10"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    monkeypatch.chdir(tmp_path)
    assert "mine" in hadaptive.load_study("demo").tables
    with pytest.raises(UserError, match="the paper has no values for mine"):
        hadaptive.table("mine", "demo", compared=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hadaptive.table("tabel7", "cpu"), "no table 'tabel7'"),
        (lambda: hadaptive.load_study("gpus"), "gpus"),
    ],
)
def test_mistakes_are_one_message(call: Callable[[], object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        call()


def test_every_name_of_the_package_is_documented() -> None:
    for name in hadaptive.__all__:
        assert (getattr(hadaptive, name).__doc__ or "").strip(), name
