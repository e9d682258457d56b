"""The LaTeX compiles by itself under plain pdflatex, within the page."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hadaptive.paper.spec import Row, Source, TableSpec
from hadaptive.paper.tables.render import render, standalone

SMALLEST = 0.8  # a table at 7 pt is not shrunk below 5.6 pt


def compiled(tex: str, folder: Path) -> str:
    """The log of compiling a table by itself, which must succeed."""
    (folder / "doc.aux").unlink(missing_ok=True)
    (folder / "doc.tex").write_text(standalone(tex))
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "doc.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return (folder / "doc.log").read_text(errors="replace")


@pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="pdflatex is not installed (texlive-latex-base, -recommended)"
)
@pytest.mark.parametrize("case", ["full", "demonstration", "nothing run", "hostile labels"])
def test_tables_compile_within_the_page(
    case: str, make_spec: Callable[..., TableSpec], fill: Callable[..., Any], tmp_path: Path
) -> None:
    spec = make_spec()
    sources = spec.model_dump()["sources"]
    if case == "full":  # deviations in both accuracy columns: the widest
        spec = make_spec(sources={**sources, "imagenet1k": {"seeds": [0, 1, 2]}})
    elif case == "demonstration":
        spec = make_spec(demonstration=True, sources={**sources, "cifar100": {"seeds": [0], "stand_in": "digits"}})
    elif case == "hostile labels":
        odd = r"""A & 50% \_{x}$y$ #1 <b>|*~^ -- '' ` ? ! "q" / [x] 中 é ß Ł œ Š ± × − – — ≤ ≥ … µ ° ® ™ ‘ ’ “ ”"""  # noqa: RUF001
        rows = [
            row.model_copy(update={"label": f"{'[*'[n % 2]}{odd[n::7]} {n}", "cite": odd[n::5]})
            for n, row in enumerate(spec.rows)
        ]
        spec = make_spec(rows=rows, about=odd)
    if case != "nothing run":
        fill(spec, tmp_path / "results")
    for path in render(spec, tmp_path / "results", tmp_path):
        if path.suffix != ".tex":
            continue
        tex = path.read_text().replace(r"\ifdim\wd2", r"\typeout{WIDTH \the\wd2 of \the\linewidth}\ifdim\wd2")
        log = compiled(tex, tmp_path)
        over = [float(points) for points in re.findall(r"Overfull \\[hv]box \(([\d.]+)pt", log)]
        assert all(points <= 5 for points in over), log
        assert "Float too large" not in log
        assert "Missing character" not in log
        widths = re.findall(r"WIDTH ([\d.]+)ptof ([\d.]+)pt", log)
        assert len(widths) == (3 if "compare" in path.name else 1)
        if case != "hostile labels":
            assert all(float(line) / float(width) >= SMALLEST for width, line in widths), widths


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("measured", [True, False])
def test_table4_compiles_within_the_page(measured: bool, write: Callable[..., None], tmp_path: Path) -> None:
    rows = [Row(model="l", variant=name, label=name, published=name) for name in ("native", "parity_balanced", "fused")]
    spec = TableSpec(
        table="table4",
        scale="demo",
        demonstration=True,
        about="batch 1",
        rows=tuple(rows),
        sources={"table4": Source(record="kernels/table4")},
    )
    part = {"status": "done", "median_ms": 123.456, "mean_ms": 123.456, "iqr_ms": 1.0, "runs": 500}
    ways = {row.variant: {"status": "done", "eager": part, "graph": part, "launches": 1234} for row in rows}
    record = {"schema": 1, "id": "kernels/table4", "scale": "demo", "settings": {"image_size": 224}}
    status = "done" if measured else "no CUDA device"
    metrics = {"device": "NVIDIA H200", **ways} if measured else {}
    write(tmp_path / "results", {**record, "status": status, "metrics": metrics})
    for path in render(spec, tmp_path / "results", tmp_path):
        if path.suffix == ".tex":
            log = compiled(path.read_text(), tmp_path)
            assert "Overfull" not in log and "Missing character" not in log
