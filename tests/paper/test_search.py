"""The search's tables, figure and claim, from records made up for the purpose."""

from __future__ import annotations

import math
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hadaptive import config
from hadaptive.errors import UserError
from hadaptive.paper.claims.statements import judge
from hadaptive.paper.figures import render_figure
from hadaptive.paper.published import published
from hadaptive.paper.tables.render import render
from hadaptive.paper.tables.view import panels
from hadaptive.run import Search
from hadaptive.search.genotype import chosen
from hadaptive.study import Study
from tests.paper.test_compile import compiled

ROOT = Path(__file__).resolve().parents[2]
PARAMS = config.load(ROOT / "params.yaml")
STUDY = Study(PARAMS)
Write = Callable[[Path, dict[str, Any]], None]


def a_record(run: Search, favourite: Callable[[int], str], epochs: int = 8) -> dict[str, Any]:
    """A search that comes to prefer `favourite(layer)` where that is a candidate, its first candidate elsewhere."""
    rng, curve = random.Random(run.seed), []
    for epoch in range(1, epochs + 1):
        confidence = {}
        for number in run.space.searched():
            names = run.space.layers[number].choose
            first = favourite(number) if favourite(number) in names else names[0]
            raw = {n: math.exp(9.8 * (n == first) * epoch / epochs + rng.gauss(0, 0.2)) for n in names}
            confidence[str(number)] = {name: 100 * value / sum(raw.values()) for name, value in raw.items()}
        curve.append({"epoch": epoch, "confidence": confidence})
    metrics = {"confidence": confidence, "chosen": chosen(run.space, confidence), "top1_last": 60 + run.seed}
    said = {"space": run.space.model_dump(mode="json")}
    return {"schema": 1, "id": run.id, "scale": run.scale, "status": "done", "run": said, "metrics": metrics,
            "curve": curve}  # fmt: skip


def of_the_paper(layer: int) -> str:
    return "ghost" if layer < 10 else "ach_dysoft"


@pytest.fixture
def results(tmp_path: Path, write: Write) -> Path:
    for run in STUDY.runs.values():
        if isinstance(run, Search):
            write(tmp_path, a_record(run, of_the_paper))
    return tmp_path


def test_a_table_looks_as_the_papers(results: Path, tmp_path: Path) -> None:
    render(STUDY.tables["table3"], results, tmp_path)
    tex, md = ((tmp_path / f"table3.{ending}").read_text() for ending in ("tex", "md"))
    assert re.search(r"\{3\}&\\underline\{64\}&\\textbf\{99\.\d\d\}&\\,\$\\pm\$\\,0\.\d\d\\%&", tex)
    assert tex.count(r"&\textless{}0.01\%&") > 20
    assert re.search(r"\{0\}&\\underline\{32\}(&-&){4}\\\\", tex)
    assert r"\multicolumn{6}{c}{ACH conf.}" in tex
    lines = {line.split("|")[1].strip(): line for line in md.splitlines() if line.startswith("| ")}
    assert [layer for layer, line in lines.items() if "<ins>" in line] == ["0", "1", "3", "5", "11"]
    assert lines["4"].count("**") == lines["13"].count("**") == 2
    assert "Seeds 0, 1: all choose the same in 11 of 11 layers; two of them agree in 100% of layers" in md
    assert "as it comes out of the search, on the stand-in data: 60.50 ± 0.71%" in md


@pytest.mark.parametrize("table", ["table3", "table10", "table11", "table12"])
def test_beside_the_published_numbers(table: str, results: Path, tmp_path: Path) -> None:
    spec = STUDY.tables[table].model_copy(
        update={"sources": {"search": STUDY.tables[table].sources["search"].model_copy(update={"stand_in": None})}}
    )
    render(spec, results, tmp_path)
    text = (tmp_path / f"{table}_compare.md").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
    assert len(rows) == len(published(table))
    for row, printed in zip(rows, published(table).values(), strict=True):
        numbers = [value for name, value in printed.items() if name not in ("channels", "downsampling")]
        shown = [cell.strip(" |*") for cell in row[2::3]]
        assert shown == [f"{n.replace('<', '&lt;')}%" if n else "-" for n in numbers]
    assert "not published" not in text and "authors' code" in text


def test_missing_and_failed_searches_are_reasons(results: Path, tmp_path: Path, write: Write) -> None:
    searches = [run for run in STUDY.runs.values() if isinstance(run, Search)]
    one, other = (run for run in searches if run.variant == "table11")
    (results / "demo" / one.id / "record.json").unlink()
    render(STUDY.tables["table11"], results, tmp_path)
    text = (tmp_path / "table11.md").read_text()
    assert "1 of 2 seeds, seed 0: not run" in text and "One seed: how stable the choice is cannot be determined" in text
    write(results, {**a_record(other, of_the_paper), "status": "diverged at epoch 3"})
    render(STUDY.tables["table11"], results, tmp_path)
    assert "diverged" in (tmp_path / "table11.md").read_text()
    given = Study(config.check({**PARAMS.model_dump(mode="json"), "models": ["starnet_s1"]}))
    assert "not selected in this run" in str(panels_of(given, "table3", results))


def panels_of(study: Study, table: str, results: Path) -> Any:
    from hadaptive.paper.tables.search import frames

    return panels(frames(study.tables[table], results)[0])


def test_a_space_of_ones_own_has_a_table(tmp_path: Path, write: Write) -> None:
    values = PARAMS.model_dump(mode="json")
    given = Study(config.check({**values, "search": {"mine": values["search"]["table11"]}}))
    for run in given.runs.values():
        if isinstance(run, Search):
            write(tmp_path, a_record(run, lambda layer: "ach32_k3"))
    paths = render(given.tables["mine"], tmp_path, tmp_path)
    assert [path.name for path in paths] == ["mine.tex", "mine.md", "mine.csv"], "the paper has no such table"
    assert "layer 6 ACH 32-3, layer 7 ACH 32-3" in (tmp_path / "mine.md").read_text()
    taken = Study(config.check({**values, "search": {"table7": values["search"]["table11"]}}))
    with pytest.raises(UserError, match=r"search\.table7: there is a table of that name already"):
        _ = taken.tables


def test_the_found_nets_stand_beside_the_published_one(results: Path, tmp_path: Path) -> None:
    render(STUDY.tables["found"], results, tmp_path)
    rows = [line for line in (tmp_path / "found_compare.md").read_text().splitlines() if line.startswith("| ")][2:]
    assert rows[0].startswith("| Hadaptive-Net-S (published) | *2.10* ") and "*73.57*" in rows[0]
    named = [row for row in rows if "Found in the space of Table 10" in row]
    assert "*67.55*" in named[0] and "60.50 ± 0.71" in named[0] and "| 100 |" in named[0]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_the_tables_compile_within_the_page(results: Path, tmp_path: Path) -> None:
    for table in ("table10", "found"):
        for path in render(STUDY.tables[table], results, tmp_path):
            if path.suffix == ".tex":
                log = compiled(path.read_text(), tmp_path)
                assert "Overfull" not in log and "Float too large" not in log and "Missing character" not in log


def verdicts(results: Path) -> dict[str, tuple[str, str]]:
    (claim,) = [each for each in judge(STUDY.claims, results) if each.claim.number == "3"]
    assert claim.paper == "holds", "the paper's own numbers say what it claims"
    return {part.comparison: (part.verdict, part.paper) for part in claim.parts}


def test_claim_3(results: Path, write: Write) -> None:
    assert set(verdicts(results).values()) == {("holds", "holds")} and len(verdicts(results)) == 15
    searches = [run for run in STUDY.runs.values() if isinstance(run, Search) and run.variant == "table3"]
    for run in searches:  # one seed says the one, the other the other, with DySig first in layer 12
        say = {4: ("ghost", "ach_dysig")[run.seed], 12: "ach_dysig", 13: "ghost"}
        write(results, a_record(run, lambda layer, say=say: say.get(layer, of_the_paper(layer))))  # type: ignore[misc]
    found = verdicts(results)
    assert found["Layer 4: Ghost > any ACH"][0] == "undecided"
    assert found["Layer 12: DySoft > DySig, DyAlge"][0] == "contradicted"
    assert found["Layer 12: an ACH > Ghost"][0] == "holds"
    assert found["Layer 13: an ACH > Ghost"][0] == "contradicted"
    (results / "demo" / searches[1].id / "record.json").unlink()
    assert set(verdicts(results).values()) == {("not run", "holds")}


def test_the_figure_shows_every_epoch(results: Path, tmp_path: Path) -> None:
    spec = STUDY.figures["figure_search"]
    render_figure(spec, results, tmp_path)
    lines = (tmp_path / "figure_search.csv").read_text().splitlines()
    candidates = sum(
        len(space.layers[number].choose) for space in PARAMS.search.values() for number in space.searched()
    )
    assert len(lines) == 1 + 8 * candidates
    text = (tmp_path / "figure_search.txt").read_text()
    assert "Demonstration" in text and "table3: at the end layer 3 Ghost 100%" in text
    render_figure(spec, tmp_path / "nothing", tmp_path)
    assert "not measured, not run" in (tmp_path / "figure_search.txt").read_text()
