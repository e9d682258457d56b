"""The records that came with the project, and what docs/results.md says of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hadaptive import config
from hadaptive.paper.bundle.provenance import SEALED, evidence
from hadaptive.paper.claims import report
from hadaptive.paper.claims.statements import judge
from hadaptive.paper.spec import REFERENCE
from hadaptive.paper.tables.render import render
from hadaptive.study import Study
from hadaptive.study.reference import usable

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"
SCALES = sorted(path.name for path in (RESULTS / REFERENCE).iterdir())


def study(scale: str) -> Study:
    return Study(
        config.check({**yaml.safe_load((ROOT / "params.yaml").read_text()), "scale": scale, "reference": "only"})
    )


def committed(scale: str) -> set[str]:
    """Ids of all records there, whether or not a table reads them."""
    folder = RESULTS / REFERENCE / scale
    return {path.parent.relative_to(folder).as_posix() for path in folder.rglob("record.json")}


@pytest.mark.parametrize("scale", SCALES)
def test_every_committed_record_has_the_settings_of_params_yaml(scale: str) -> None:
    given = study(scale)
    assert committed(scale) == usable(given.params, given.executed, RESULTS / REFERENCE) != set()


@pytest.mark.parametrize("scale", SCALES)
def test_every_committed_record_is_as_it_was_written_by_committed_code(scale: str) -> None:
    bundle = study(scale).bundle
    for each in committed(scale):
        found = evidence(bundle, each, RESULTS)
        assert found.seal == SEALED, each
        assert found.record is not None and found.record.environment.git_dirty is False, each


@pytest.mark.parametrize("table", ["table1", "table2", "figure3_table", "table11"])
def test_the_results_show_the_tables_that_a_clone_renders(table: str, tmp_path: Path) -> None:
    render(study("cpu").tables[table], RESULTS, tmp_path)
    shown = [line for line in (tmp_path / f"{table}.md").read_text().splitlines() if line.startswith("|")]
    assert shown and "\n".join(shown) in (ROOT / "docs/results.md").read_text()


def test_the_results_show_the_verdicts_that_a_clone_comes_to() -> None:
    spec = study("cpu").claims
    text = report.as_markdown(judge(spec, RESULTS), spec)
    shown = [line for line in text.splitlines() if line.startswith("|")]
    assert shown and "\n".join(shown) in (ROOT / "docs/results.md").read_text()
