"""The model that searches have found, read from their records when it is to be built. Imports no torch.

A Run of a found model names its searches and not its rows: it is planned before they have run. Its trainer gets it
settled, with the rows among its options, so that what was found is part of the Run's identity and of its record.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hadaptive.errors import UserError
from hadaptive.record import read
from hadaptive.record.trainings import SearchRecord
from hadaptive.search.genotype import chosen, mean, rows


class NothingFound(UserError):
    """No search that a model comes from has finished; the message is fit for a record's status."""


def settled(options: Mapping[str, Any], scale: str, results_root: Path = Path("results")) -> dict[str, Any]:
    """Return the options with `rows` in them where `found_by` names searches; any other options as they are.

    The rows are those of the candidates whose confidence, averaged over the searches that finished, is highest: those
    in bold in the search's table. UserError where a search was not run, NothingFound where none has finished.
    """
    if "found_by" not in options:
        return dict(options)
    done, failed = [], []
    for search_id in options["found_by"]:
        path = results_root / scale / search_id / "record.json"
        if not path.exists():
            raise UserError(f"{path} is missing; run `hadaptive train {search_id} --scale {scale}` first")
        record = read(path)
        if record.edited:
            raise UserError(f"{path} was edited by hand: its checksum does not match; delete it and run it again")
        if isinstance(record, SearchRecord) and record.status == "done":
            done.append(record)
        else:
            failed.append(f"{search_id}: {record.status}")
    if not done:
        raise NothingFound(f"no net found ({'; '.join(failed)})")
    space = done[0].run.space
    names = chosen(space, mean([record.confidence for record in done]))
    return {**options, "rows": rows(space, names)}
