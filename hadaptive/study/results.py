"""All results of a scale as one pandas DataFrame, for questions that no table of the paper answers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from hadaptive.config import load
from hadaptive.paper.files import FOLDER, RESULTS
from hadaptive.paper.results import tidy
from hadaptive.paper.spec import REFERENCE
from hadaptive.records import RECORD, atomic
from hadaptive.study.study import Study


def results(scale: str | None = None) -> pd.DataFrame:
    """Read the metrics of all records of a scale, in long form.

    One row for each record and metric, with the columns of `hadaptive.paper.results.tidy`: id, scale, task, model,
    variant, seed, metric, value, status, device, provenance, checksum, commit. Call it in a folder with a params.yaml;
    `scale` is used instead of the one that the file names. UserError for an unknown scale.

        >>> hadaptive.results("cpu").query("metric == 'top1_last'").pivot_table("value", "model", "task")
    """
    return table(Study(load(given={"scale": scale} if scale else {})))


def table(study: Study, root: Path = Path("results")) -> pd.DataFrame:
    """The metrics of every Run and measure of a study; one that was not run is a row that says so."""
    elsewhere = study.reference | study.not_run
    paths = {
        each.id: (root / REFERENCE if each.id in elsewhere else root) / study.scale / each.id / RECORD
        for each in study.executed
    }
    return tidy(paths, study.scale, study.reference)


def write(study: Study, out_dir: Path = FOLDER) -> list[Path]:
    """Write `table` as results.csv and results.parquet to `out_dir`; returns their paths."""
    made, paths = table(study), [out_dir / name for name in RESULTS]
    with atomic(paths[0]) as csv, atomic(paths[1]) as parquet:
        made.to_csv(csv, index=False, lineterminator="\n")
        made.to_parquet(parquet, index=False)
    return paths
