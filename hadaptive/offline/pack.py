"""Make the archives that the other machine needs: code, wheels, data, what to resume from, the list of jobs.

Imports no torch.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from hadaptive.data import prepare
from hadaptive.errors import UserError
from hadaptive.offline import images, wheels
from hadaptive.offline.jobs import Job, jobs
from hadaptive.offline.session import FORMAT, PACK
from hadaptive.records import COMMIT, commit, sha256, write_json
from hadaptive.run import Run
from hadaptive.study import Study
from hadaptive.tasks import TASKS

CODE = ("hadaptive", "kernels", "params.yaml", "pyproject.toml", "tests/kernels")
HERE = Path(__file__).resolve().parent
LEAST = {"python": (3, 11, 4), "torch": (2, 11)}
MEMBER = 3 * 512  # bytes that a file costs in a tar besides its own, at most


@dataclass(frozen=True)
class Settings:
    """How to pack: minutes there, MiB of an archive at most, and what the other machine has (see `wheels`)."""

    minutes: float
    max_mib: float
    python: str
    have: Path | None = None
    with_wheels: bool = True
    only: tuple[str, ...] = ("*",)  # patterns of the jobs' names


@dataclass
class Packed:
    """What was packed, for a person to read."""

    archives: list[Path]
    jobs: list[Job]
    left_out: list[str] = field(default_factory=list)


def pack(study: Study, out: Path, settings: Settings) -> Packed:
    """Write pack.json, run.sh, run.py and the archives to folder `out`, which must be new or empty.

    Raises UserError where there is nothing to run, something cannot be had, or a file is larger than an archive may be.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is not an empty folder; name a new one, or remove it")
    todo = [job for job in jobs(study, settings.minutes) if any(fnmatch(job.name, only) for only in settings.only)]
    with tempfile.TemporaryDirectory(prefix="hadaptive-pack-") as name:
        scratch = Path(name)
        data, left_out = _data(study, todo, scratch / "data")
        todo = [job for job in todo if not job.dataset or job.dataset in data]
        if not any(job.makes for job in todo):
            nothing = "nothing to pack: all that is asked for is on record, or its data cannot be had"
            raise UserError("\n".join([nothing, *left_out]))
        needed = _wheels(study, todo, settings, scratch / "wheels") if settings.with_wheels else []
        write_json(scratch / COMMIT, commit())
        files = {f"project/{path}": path for path in code()} | {f"project/{COMMIT}": scratch / COMMIT}
        files |= {f"wheels/{path.name}": path for path in needed}
        files |= {path.relative_to(scratch).as_posix(): path for each in data.values() for path in each}
        carried = {f"project/{path.as_posix()}": path for path in _carried(study, todo)}
        out.mkdir(parents=True, exist_ok=True)
        archives = _archives({**files, **carried}, out, settings.max_mib)
        content: dict[str, Any] = {
            "format": FORMAT,
            "scale": study.scale,
            "minutes": settings.minutes,
            "max_mib": settings.max_mib,
            "least": LEAST,
            "data": sorted(data),
            "jobs": [asdict(job) for job in todo],
            "files": {name: sha256(path) for name, path in files.items()},
            "carried": {name.removeprefix("project/"): sha256(path) for name, path in carried.items()},
            "archives": {path.name: sha256(path) for path in archives},
        }
    content["id"] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
    write_json(out / PACK, content)
    copy_scripts(out)
    return Packed(archives, todo, left_out)


def copy_scripts(out: Path) -> None:
    """Put what runs before anything is unpacked into the pack's folder: run.sh, run.py, and the module it imports."""
    for script in ("run.sh", "run.py"):
        shutil.copyfile(HERE / script, out / script)
    package = out / "hadaptive/offline"
    package.mkdir(parents=True)
    shutil.copyfile(HERE.parent / "__init__.py", out / "hadaptive/__init__.py")
    for module in ("__init__.py", "session.py"):
        shutil.copyfile(HERE / module, package / module)


def code() -> list[Path]:
    """List the project's files that run there, relative to it: those that git knows or, outside a checkout, all."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z", *CODE], capture_output=True, text=True, check=True).stdout
        files = [Path(name) for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        files = []
    if not files:
        below = [path for name in CODE for path in (Path(name).rglob("*") if Path(name).is_dir() else [Path(name)])]
        files = [path for path in below if path.is_file() and "__pycache__" not in path.parts]
    return sorted(path for path in files if path.is_file())


def _data(study: Study, todo: list[Job], out: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """Return the encoded data sets, prepared first where they are not; and what cannot be packed, with the reason."""
    files, left_out = dict[str, list[Path]](), []
    for dataset in dict.fromkeys(job.dataset for job in todo if job.dataset):
        prepared = Path("data/prepared", dataset)
        try:
            if not (prepared / "manifest.json").exists():
                prepare(dataset, prepared, study.params.data)
            files[dataset] = images.encode(prepared, out / dataset)
        except UserError as error:
            count = sum(job.dataset == dataset for job in todo)
            left_out.append(f"left out: {count} trainings on {dataset}: {error}")
    return files, left_out


def _wheels(study: Study, todo: list[Job], settings: Settings, out: Path) -> list[Path]:
    roots = list(wheels.ROOTS)
    for task in {study.runs[job.name.removeprefix("train ")].task for job in todo if job.dataset}:
        roots += wheels.ROOTS_OF.get(TASKS[task].trainer, ())
    there = wheels.installed_there(settings.have, wheels.pinned(settings.python)["torch"])
    return wheels.download(wheels.lacking(there, roots, settings.python), settings.python, out)


def _carried(study: Study, todo: list[Job]) -> Iterator[Path]:
    """Yield what was made here already and trainings go on from: saved states, and records of searches."""
    for job in todo:
        if job.dataset:
            run = study.runs[job.name.removeprefix("train ")]
            state = state_of(run, job.code)
            yield from [state] if state.is_file() else []
        yield from (Path(path) for path in job.needs if path.endswith("record.json") and Path(path).is_file())


def state_of(run: Run, code: str) -> Path:
    """Return where a training of this code, on the data prepared here, saves what it resumes from."""
    key = run.key(sha256(Path("data/prepared", run.dataset, "manifest.json")), code)
    return Path("work", run.scale, run.id, key, "state.pt")


def _archives(files: dict[str, Path], out: Path, max_mib: float) -> list[Path]:
    """Write the files to as many archives as it takes, none larger than `max_mib`, in their order."""
    most, groups, room = int(max_mib * 2**20) - 20 * 512, list[list[str]](), 0
    for name, path in files.items():
        size = path.stat().st_size + MEMBER
        if size > most:
            mib = path.stat().st_size / 2**20
            raise UserError(f"{path.name} has {mib:.1f} MiB and an archive at most {max_mib:g}; raise --max-mib")
        if size > room:
            groups.append([])
            room = most
        groups[-1].append(name)
        room -= size
    written = []
    for number, group in enumerate(groups, 1):
        path = out / f"part-{number}.tar"
        with tarfile.open(path, "w") as tar:
            for name in group:
                raw = files[name].read_bytes()
                info = tarfile.TarInfo(name)
                info.size = len(raw)
                tar.addfile(info, io.BytesIO(raw))
        written.append(path)
    return written
