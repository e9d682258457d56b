"""docs/tour.ipynb does what it says, cell by cell."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest

import hadaptive

ROOT = Path(__file__).resolve().parent.parent
TOUR = ROOT / "docs/tour.ipynb"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the notebook reads, in which it may write."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results/reference").symlink_to(ROOT / "results/reference")
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path / "docs")
    monkeypatch.setenv("HADAPTIVE_GPUS", "")
    return tmp_path


def cells() -> list[Any]:
    notebook = nbformat.read(TOUR, as_version=4)
    nbformat.validate(notebook)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_it_is_committed_without_outputs() -> None:
    assert all(not cell.outputs and cell.execution_count is None for cell in cells())


def test_it_names_what_the_package_has() -> None:
    used = {name for cell in cells() for name in re.findall(r"\bhadaptive\.(\w+)\(", cell.source)}
    assert used and used <= set(hadaptive.__all__)


@pytest.mark.slow
def test_every_cell_runs(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cells in order, as Python in this process: a kernel would load PyTorch once more."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells():
        exec(compile(cell.source, "docs/tour.ipynb", "exec"), names)
    assert names["record"].status == "done" and len(names["record"].curve) == 2
    assert (project / "results/tour/cifar100/hadaptive_net_s/dysoft/seed0/record.json").is_file()
    assert isinstance(names["points"], pd.DataFrame) and len(names["points"]) > 5
    assert names["figure"].axes[0].collections, "the points are drawn"


@pytest.mark.slow
def test_it_runs_in_jupyter(project: Path) -> None:
    nbclient = pytest.importorskip("nbclient", reason="needs --group docs")
    pytest.importorskip("ipykernel", reason="needs --group docs")
    notebook = nbformat.read(TOUR, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(project / "docs")}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in shown), "the figure"
    assert any("text/html" in output.get("data", {}) for output in shown), "a table"
