"""The Python API: what the command line does, as functions. Call them in a folder with a `params.yaml`.

    import hadaptive

    hadaptive.table("table7", "cpu").to_pandas()
    hadaptive.claims("cpu").query("verdict == 'holds'")
    run = hadaptive.load_study("cpu").find("cifar100/starnet_s1/base/seed0")
    hadaptive.read_record(run).metrics.top1_last
    hadaptive.train_run(run)

Imports neither torch nor pandas before a function needs them.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hadaptive.config import load
from hadaptive.errors import UserError, nearest
from hadaptive.paper.spec import REFERENCE
from hadaptive.paper.tables.frame import Frame
from hadaptive.record import Record, TrainingRecord, read
from hadaptive.records import RECORD
from hadaptive.run import Executed, Run
from hadaptive.study import Study

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Record", "Run", "Study", "Table", "claims", "load_study", "read_record", "table", "train_run"]

RESULTS = Path("results")


def load_study(scale: str | None = None, **settings: Any) -> Study:
    """Read params.yaml: all Runs, measures, tables and figures of a scale, by default the one that the file names.

    `settings` take the place of the file's, as `--config` does: load_study("demo", models=["starnet_s1"]).
    UserError for what params.yaml cannot say.
    """
    return Study(load(given=({"scale": scale} if scale else {}) | settings))


@dataclass(frozen=True)
class Table:
    """A table made from the available records: each cell is either measured or empty, with the reason stated."""

    frame: Frame

    def to_pandas(self) -> pd.DataFrame:
        """One row per model: the columns of the CSV, which has a reason beside each empty cell; indexed by label."""
        import pandas as pd

        from hadaptive.paper.tables.render import table_csv

        return pd.read_csv(io.StringIO(table_csv(self.frame)), index_col="label", keep_default_na=False, na_values=[""])

    def to_markdown(self) -> str:
        """The table as paper_tables/*.md has it."""
        return self._text("md")

    def to_latex(self) -> str:
        """The table as paper_tables/*.tex has it."""
        return self._text("tex")

    def _text(self, suffix: str) -> str:
        from hadaptive.paper.tables.render import text

        return text(self.frame, suffix)

    def _repr_markdown_(self) -> str:  # what a notebook shows
        return self.to_markdown()


def table(name: str, scale: str | None = None, *, compared: bool = False) -> Table:
    """A table of the paper, for example "table7"; `compared` puts the published values beside the measured ones.

    UserError for a table that the scale does not have, and for one without published values.
    """
    from hadaptive.paper.files import table_stems
    from hadaptive.paper.tables import frames_of

    known = load_study(scale).tables
    if name not in known:
        raise UserError(f"no table {name!r}.{nearest(name, list(known))}")
    if compared and not known[name].compared:
        raise UserError(f"the paper has no values for {name}; leave compared=True out")
    stem = table_stems(name, compared)[-1]
    return Table(next(frame for frame in frames_of(known[name], RESULTS) if frame.stem == stem))


def claims(scale: str | None = None) -> pd.DataFrame:
    """Check the paper's claims on the records there are: one row per comparison, as paper_tables/claims.csv."""
    import pandas as pd

    from hadaptive.paper.claims.report import as_csv
    from hadaptive.paper.claims.statements import judge

    spec = load_study(scale).claims
    return pd.read_csv(io.StringIO(as_csv(judge(spec, RESULTS), spec)), keep_default_na=False, dtype={"claim": str})


def read_record(executed: Executed) -> Record:
    """The record of a Run or a measure: the one made here, otherwise the reference record.

    UserError where there is none, or where it is damaged.
    """
    here = executed.folder / RECORD
    came = RESULTS / REFERENCE / executed.scale / executed.id / RECORD
    return read(here if here.exists() or not came.exists() else came)


def train_run(run: Run, *, device: str | None = None, threads: int | None = None) -> TrainingRecord:
    """Train a Run, or resume it, and return its record; a Run that finished before is not trained again.

    Its data are prepared first where they are not. `device` is a free GPU by default, otherwise the CPU. Divergence and
    lack of memory are results, and stand in the record's `status`. UserError for data that cannot be had.
    """
    from hadaptive import devices, tracking
    from hadaptive.data import prepare
    from hadaptive.identity import code_id
    from hadaptive.search.found import NothingFound, settled
    from hadaptive.study.runs import trainer_code
    from hadaptive.tasks import TASKS

    data, work = Path("data/prepared", run.dataset), Path("work", run.scale, run.id)
    if not (data / "manifest.json").exists():
        prepare(run.dataset, data, load().data)
    code, skip = code_id(*trainer_code(run)), None
    try:
        run = run.model_copy(update={"options": settled(run.options, run.scale)})
    except NothingFound as error:
        skip = str(error)
    with devices.claimed() if not device else contextlib.nullcontext(device) as claimed:
        train = import_module(TASKS[run.task].trainer).train  # torch may look for GPUs only now that one is claimed
        from hadaptive.train import ranks
        from hadaptive.train.work import once

        with ranks.process_group(claimed), tracking.tracked(run, code):
            threads = threads or devices.threads()
            made = once(train, run, data, run.folder, work, device=claimed, threads=threads, code=code, skip=skip)
            tracking.finished(made)
    return made
