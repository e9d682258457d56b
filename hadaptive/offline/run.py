"""Work through a pack on a machine that has Python, PyTorch, and no network: `bash run.sh`, and again to go on.

    bash run.sh [--minutes 9] [--work FOLDER] [--out FILE] [--retry]

It unpacks and verifies, runs the jobs in their order, as many trainings side by side as pay, ends them before the time
is over with all saved, and leaves one archive. Ctrl-C and SIGTERM are the same as the end of the time. A job that fails
is noted with its reason and stops no other. Uses Python's standard library alone.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

from hadaptive.offline.session import FORMAT, OUTCOMES, PACK, RESULTS, Session, Stop, last_line, read, say


def main(words: list[str] | None = None) -> int:
    started = time.monotonic()
    here = Path(__file__).resolve().parent
    a = _arguments(here, words)
    try:
        return _work(here, a, started)
    except Stop as error:
        print(f"run.sh: {error}", file=sys.stderr)
        return 1


def _arguments(here: Path, words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, help="time for all of it (default: what the pack says)")
    parser.add_argument("--work", type=Path, default=here / "work", help="folder to work in (default: beside this)")
    parser.add_argument("--out", type=Path, help="the archive that is left (default: results-ID.tar, beside this)")
    parser.add_argument("--retry", action="store_true", help="run jobs that failed before once more")
    return parser.parse_args(words)


def _work(here: Path, a: argparse.Namespace, started: float) -> int:
    pack = read(here / PACK)
    if pack.get("format") != FORMAT:
        raise Stop(f"{here / PACK} has format {pack.get('format')}, not {FORMAT}; pack again")
    _check_versions(pack)
    minutes, out, work = a.minutes or pack["minutes"], a.out or here / f"results-{pack['id']}.tar", a.work / pack["id"]
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: asked.append(number))
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Stop(f"another run.sh is at work in {work}; wait for it, or give another --work") from None
        environment = prepare(here, pack, work, out)
        session = Session(pack, work, environment, started, 60 * minutes, asked, a.retry)
        session.run()
        session.leave(out, pack["max_mib"])
    return 0


def _check_versions(pack: dict[str, Any]) -> None:
    python, torch = pack["least"]["python"], pack["least"]["torch"]
    if sys.version_info[:3] < tuple(python):
        raise Stop(f"Python {'.'.join(map(str, python))} or newer is needed, and this is {platform.python_version()}")
    try:
        installed = metadata.version("torch")
    except metadata.PackageNotFoundError:
        raise Stop(f"{sys.executable} has no torch; name a Python that has one: PYTHON=... bash run.sh") from None
    if tuple(map(int, re.findall(r"\d+", installed)[:2])) < tuple(torch):
        raise Stop(f"torch {'.'.join(map(str, torch))} or newer is needed, and this is {installed}")


def prepare(here: Path, pack: dict[str, Any], work: Path, earlier: Path) -> dict[str, str]:
    """Unpack and verify what is to run; the environment of its jobs. Stop where anything is missing or changed."""
    project, site = work / "project", work / "site"
    ready = work / "ready"
    if not ready.exists():
        for name, checksum in pack["archives"].items():
            if not (here / name).is_file():
                raise Stop(f"{here / name} is missing; bring all archives of the pack here")
            if _sha256(here / name) != checksum:
                raise Stop(f"{here / name} is damaged (SHA-256 differs); copy it here again")
            with tarfile.open(here / name) as tar:
                tar.extractall(work, filter="data")
        if earlier.is_file() and not (project / "results").exists():
            _take_up(earlier, project, pack["id"])
    for name, checksum in pack["files"].items():
        if not (work / name).is_file() or _sha256(work / name) != checksum:
            raise Stop(f"{work / name} is missing or changed; delete {work} and start again")
    path = os.pathsep.join([str(project.resolve()), str(site.resolve()), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "HADAPTIVE_PRELOAD": "", "PYTHONUNBUFFERED": "1"}
    if not ready.exists():
        site.mkdir(exist_ok=True)
        for wheel in sorted((work / "wheels").glob("*.whl")) if (work / "wheels").exists() else ():
            install(wheel, site)
        for dataset in pack["data"]:
            say(f"unpacking {dataset}")
            folders = [str(work / "data" / dataset), str(project / "data/prepared" / dataset)]
            done = subprocess.run(
                [sys.executable, "-m", "hadaptive.offline.images", *folders],
                cwd=project,
                env=environment,
                capture_output=True,
                text=True,
            )
            if done.returncode:
                raise Stop(f"{dataset} cannot be unpacked: {last_line(done.stderr)}")
        ready.touch()
    return environment


def install(wheel: Path, site: Path) -> None:
    """Unpack a wheel into a folder of modules; there may be no pip here."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for data in site.glob("*.data"):
        for part in ("purelib", "platlib"):
            if (data / part).is_dir():
                shutil.copytree(data / part, site, dirs_exist_ok=True)
        shutil.rmtree(data)


def _take_up(archive: Path, project: Path, pack_id: str) -> None:
    """Go on from the archive that this pack left on a machine before."""
    with tarfile.open(archive) as tar:
        member = tar.extractfile(RESULTS)
        if member is None or json.load(member).get("pack") != pack_id:
            return
        tar.extractall(project, filter="data")
    say(f"resuming from {archive}")
    outcomes = {
        name: outcome for name, outcome in read(project / RESULTS)["jobs"].items() if outcome["status"] != "left"
    }
    (project / OUTCOMES).write_text(json.dumps(outcomes))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
