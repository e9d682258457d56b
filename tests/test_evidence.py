"""The reference records, and what README and docs/results.md say of them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
import yaml

from hadaptive import config
from hadaptive.paper.claims import report
from hadaptive.paper.claims.statements import judge
from hadaptive.paper.figures import render_figure
from hadaptive.paper.spec import REFERENCE
from hadaptive.paper.tables.render import render
from hadaptive.record import SEALED, read
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
    for each in committed(scale):
        found = read(RESULTS / REFERENCE / scale / each / "record.json")
        assert found.seal == SEALED, each
        assert found.environment.git_dirty is False, each


@pytest.mark.parametrize("table", ["table1", "table2", "figure3_table", "table3", "table11"])
def test_the_results_show_the_tables_that_a_clone_renders(table: str, tmp_path: Path) -> None:
    render(study("cpu").tables[table], RESULTS, tmp_path)
    shown = [line for line in (tmp_path / f"{table}.md").read_text().splitlines() if line.startswith("|")]
    assert shown and "\n".join(shown) in (ROOT / "docs/results.md").read_text()


def test_the_results_show_the_ladder_of_the_records(tmp_path: Path) -> None:
    render_figure(study("cpu").figures["figure_ladder"], RESULTS, tmp_path)
    section = (ROOT / "docs/results.md").read_text().partition("## The ladder")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in section.splitlines() if re.match(r"\| (?!:--|Top-1)", line)]
    with (tmp_path / "figure_ladder.csv").open() as file:
        measured = list(csv.DictReader(file))
    for place, scale in ((1, "cpu"), (2, "cpu_x3")):
        means, gaps = (
            {tuple(re.findall(r"(?<!± )[+-]?\d+\.\d+", row[place])) for row in rows if ("difference" in row[0]) is gap}
            for gap in (False, True)
        )
        trained = [row for row in measured if row["scale"] == scale and row["top1"]]
        found = {(f"{float(row['top1']):.2f}",) for row in trained}
        known = {
            (f"{float(row['difference']):+.1f}", f"{float(row['low']):.1f}", f"{float(row['high']):.1f}")
            for row in trained
            if row["low"]
        }
        assert means <= found and gaps <= known, scale
        assert scale == "cpu" or (means == found and gaps == known), "nothing of the second step is left out"


def test_the_readme_has_every_claim_with_its_verdict() -> None:
    verdicts = {each.claim.number.replace(",", ""): each.verdict for each in judge(study("cpu").claims, RESULTS)}
    table = (ROOT / "README.md").read_text().partition("| Claims |")[2].partition("\n\n")[0]
    seen = []
    for line in table.splitlines()[2:]:
        _, family, shown, _ = line.split("|")
        numbers = sorted(re.findall(r"\d+(?: v1)?", shown), key=list(verdicts).index)
        grouped = {verdict: [n for n in numbers if verdicts[n] == verdict] for verdict in map(verdicts.get, numbers)}
        assert shown.strip() == "; ".join(f"{verdict}: {', '.join(of)}" for verdict, of in grouped.items()), family
        seen += numbers
    assert sorted(seen) == sorted(verdicts)


def test_the_results_show_the_verdicts_that_a_clone_comes_to() -> None:
    spec = study("cpu").claims
    text = report.as_markdown(judge(spec, RESULTS), spec)
    shown = [line for line in text.splitlines() if line.startswith("|")]
    assert shown and "\n".join(shown) in (ROOT / "docs/results.md").read_text()
