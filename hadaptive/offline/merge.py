"""Take in what `run.sh` left: check it, put it where the workflow expects it, and have Snakemake know of it.

Imports no torch.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from hadaptive.config import load
from hadaptive.errors import UserError
from hadaptive.offline.pack import state_of
from hadaptive.offline.session import FORMAT, RESULTS
from hadaptive.record import SEALED, Damaged, Record, TrainingRecord, find
from hadaptive.records import RECORD, atomic, sha256
from hadaptive.run import Executed, Run
from hadaptive.study import Study
from hadaptive.study.reference import same_settings
from hadaptive.study.settling import code_of, without_gpu

FOLDERS = ("results", "logs", "work")  # of which an archive may hold members
CHECKPOINTS = ("last", "best")


@dataclass
class Merged:
    """Ids whose records were taken, ids of trainings whose state was, and what was refused or failed, with reasons."""

    records: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)  # jobs that failed there


def merge(archive: Path) -> Merged:
    """Take in the records, checkpoints and states of an archive.

    Nothing that is there already is replaced by something else. Raises UserError where the archive as a whole cannot be
    taken; what alone does not fit (other settings, other code, other data, edited, damaged) is in `refused`.
    """
    with tempfile.TemporaryDirectory(prefix="hadaptive-merge-") as name:
        folder = Path(name)
        results = unpack(archive, folder)
        study = Study(load(given={"scale": results["scale"], "reference": "never"}))
        failed = {job: ended["reason"] for job, ended in results["jobs"].items() if ended["status"] == "failed"}
        merged = Merged(failed=failed)
        codes = {job: ended.get("code") for job, ended in results["jobs"].items()}
        known = {executed.folder.as_posix(): executed for executed in study.executed}
        taken: list[Executed] = []
        for path in sorted(folder.glob(f"results/**/{RECORD}")):
            place = path.parent.relative_to(folder)
            executed = known.get(place.as_posix())
            reason = f"no such Run or measure at scale {study.scale}" if executed is None else None
            if executed is not None and (reason := why_not(executed, path, codes)) is None:
                for checkpoint in CHECKPOINTS:
                    if (file := path.with_name(f"{checkpoint}.pt")).exists():
                        _copy(file, executed.folder / file.name)
                _copy(path, executed.folder / RECORD)  # last: it says that the rest is there
                taken.append(executed)
                merged.records.append(executed.id)
            elif reason:
                merged.refused[place.as_posix()] = reason
        for run in study.runs.values():
            _take_state(run, folder, results, merged)
        for path in folder.glob("logs/**/*.log"):
            _copy(path, path.relative_to(folder))
    if taken:
        remember(taken, study.scale)
    return merged


def unpack(archive: Path, folder: Path) -> dict[str, Any]:
    """Unpack an archive of results into an empty folder; what it says of itself. UserError for any other archive."""
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                parts = PurePosixPath(member.name).parts
                odd = not parts or not member.isreg() or ".." in parts or parts[0] == "/"
                if odd or (parts[0] not in FOLDERS and member.name != RESULTS):
                    raise UserError(f"{archive}: refused, as its member {member.name!r} is none of a results archive")
                tar.extract(member, folder, filter="data")
        results = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    except (OSError, tarfile.TarError, EOFError, ValueError) as error:
        raise UserError(f"{archive} is no archive of results, or damaged ({error}); copy it here again") from None
    if not isinstance(results, dict) or results.get("format") != FORMAT:
        raise UserError(f"{archive} was not made by this version's run.sh; pack and run again")
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name != RESULTS and results["files"].get(name) != sha256(path):
            raise UserError(f"{archive}: {name} is damaged (SHA-256 differs); copy the archive here again")
    return results


def why_not(executed: Executed, path: Path, codes: dict[str, str | None]) -> str | None:
    """Tell why the record at `path` cannot stand for what params.yaml and the code here ask for; None where it can."""
    record, here = find(path), find(executed.folder / RECORD)
    if isinstance(record, Damaged):
        return f"{record.reason}: {record.what}"
    assert isinstance(record, Record)
    if record.seal != SEALED:
        return record.seal
    if not same_settings(executed, record):
        return "made with other settings than params.yaml has now"
    made_by = record.code or next((code for job, code in codes.items() if job.endswith(f" {executed.id}")), None)
    if made_by != code_of(executed):
        return "made by other code than this"
    if isinstance(record, TrainingRecord):
        if (reason := _other_data(record)) is not None:
            return reason
        for name, kept in record.checkpoints.items():
            file = path.with_name(f"{name}.pt")
            if file.exists() and sha256(file) != kept.sha256:
                return f"{name}.pt is not the checkpoint that its record names"
    if isinstance(here, Record) and here.seal == SEALED and same_settings(executed, here) and not without_gpu(here):
        same = (executed.folder / RECORD).read_bytes() == path.read_bytes()
        return None if same else "another record of the same settings is here already; remove it to take this one"
    return None


def _other_data(record: TrainingRecord) -> str | None:
    manifest = Path("data/prepared", record.run.dataset, "manifest.json")
    if not manifest.exists():
        return f"{manifest.parent} is not prepared; run `hadaptive data {record.run.dataset}` first"
    return None if record.data.sha256 == sha256(manifest) else f"trained on other data than {manifest.parent}"


def _take_state(run: Run, folder: Path, results: dict[str, Any], merged: Merged) -> None:
    """Put the state of an unfinished training where it is resumed from, unless another one is there."""
    for path in folder.glob(f"work/{run.scale}/{run.id}/*/state.pt"):
        place = path.relative_to(folder)
        if not Path("data/prepared", run.dataset, "manifest.json").exists() or place != state_of(run, code_of(run)):
            merged.refused[place.as_posix()] = "saved by other code, or with other settings or data"
        elif place.exists() and sha256(place) not in (results["carried"].get(place.as_posix()), sha256(path)):
            merged.refused[place.as_posix()] = "another state is here already; remove it to take this one"
        else:
            _copy(path, place)
            merged.states.append(run.id)


def remember(executed: list[Executed], scale: str) -> None:
    """Have Snakemake note the settings, code and inputs that these records were made with, as if it had made them.

    Without the note it would take them as they are, also after a change of settings. It notes outputs that exist, so
    what was too large to bring along stands empty in its place for as long as that takes.
    """
    targets = [(run.folder / RECORD).as_posix() for run in executed]
    words = [sys.executable, "-m", "snakemake", *targets, "--cores", "1", "--touch", "--force", "--quiet", "all"]
    words += ["--config", f"scale={scale}", "reference=never"]
    with _all_outputs(executed):
        done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "HADAPTIVE_PRELOAD": ""})
    if done.returncode:
        raise UserError(f"the records are in place, but snakemake --touch failed:\n{done.stderr.strip()[-2000:]}")


@contextmanager
def _all_outputs(executed: list[Executed]) -> Iterator[None]:
    names = {"latency": ("model.onnx", "plain.onnx"), "training": tuple(f"{name}.pt" for name in CHECKPOINTS)}
    stand_ins = []
    for item in executed:
        kind = "training" if isinstance(item, Run) else item.id.partition("/")[0].replace("complexity", "latency")
        folder = Path(item.folder.as_posix().replace("/complexity/", "/latency/"))
        stand_ins += [folder / name for name in names.get(kind, ()) if not (folder / name).exists()]
    try:
        for path in stand_ins:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        yield
    finally:
        for path in stand_ins:
            path.unlink(missing_ok=True)


def _copy(source: Path, place: Path) -> None:
    with atomic(place) as temporary:
        shutil.copyfile(source, temporary)
