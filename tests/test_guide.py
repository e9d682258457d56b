"""The closing message: what a command made, what is older or of another scale, and what was not run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from hadaptive import config, guide
from hadaptive.study import Study

VALUES = yaml.safe_load((Path(__file__).resolve().parent.parent / "params.yaml").read_text())


def study(**changes: Any) -> Study:
    return Study(config.check({**VALUES, "scale": "cpu", **changes}))


def test_what_was_made_what_is_older_and_what_is_of_another_scale(tmp_path: Path) -> None:
    (tmp_path / "table7.md").write_text("Comparison. Scale `cpu`: CIFAR-100.")
    (tmp_path / "table2.md").write_text("Blocks. Scale `cpu`: CIFAR-100.")
    os.utime(tmp_path / "table2.md", (1000, 1000))
    (tmp_path / "table1.md").write_text("Curves. Scale `demo`: digits.")
    (tmp_path / "figure7.txt").write_text("Figure 7\n\nA heatmap.\n\nScale: demo\n")
    (tmp_path / "index.html").write_text('<html lang="en" data-scale="cpu">')
    message = guide.made(study(), [], since=2000, cores=2, root=tmp_path)
    assert "tables (.tex, .md, .csv): table7;" in message
    assert "Made earlier at scale cpu: table2\n" in message
    assert "Still of another scale: table1 (demo), figure7 (demo)" in message
    assert "index.html, bundle.zip" in message
    assert "figures (" not in message and "claims" not in message


def test_each_scale_keeps_its_own_copy(tmp_path: Path) -> None:
    for name in ("table7.md", "table7.tex"):
        (tmp_path / name).write_text("Comparison. Scale `cpu`: CIFAR-100.")
    (tmp_path / "table1.md").write_text("Curves. Scale `demo`: digits.")
    guide.keep("cpu", tmp_path)
    for name in ("table7.md", "table7.tex"):
        (tmp_path / name).write_text("Comparison. Scale `demo`: digits.")
    guide.keep("demo", tmp_path)
    assert "`cpu`" in (tmp_path / "cpu/table7.tex").read_text()
    assert "`demo`" in (tmp_path / "demo/table7.tex").read_text()
    assert not (tmp_path / "cpu/table1.md").exists() and (tmp_path / "demo/table1.md").exists()


def test_runs_without_a_record_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # without any record
    nothing = study(reference="only", models=["starnet_s1"])
    message = guide.not_run(nothing, [nothing.tables["table7"]], cores=2)
    assert message == (
        "1 Run and 1 measurement have no record with these settings; add `reference=first` to run them (time unknown)"
    )
    first = study(reference="first", models=["starnet_s1"])
    assert guide.not_run(first, [first.tables["table7"]], cores=2) == ""


def test_their_time_comes_from_the_reference_records() -> None:
    scales = {**VALUES["scales"], "cpu": {**VALUES["scales"]["cpu"], "seeds": [7]}}
    changed = study(models=["starnet_s1"], scales=scales)
    message = guide.not_run(changed, [changed.tables["table7"]], cores=1)
    assert message.startswith("1 Run has no record") and "(about " in message


def test_what_to_try_next_depends_on_the_scale(tmp_path: Path) -> None:
    shown, own = (guide.made(study(reference=how), [], since=0, cores=2, root=tmp_path) for how in ("only", "first"))
    assert "results/reference/cpu/" in shown
    assert "results/cpu/" in own
    assert "--config scale=gpu" in own
