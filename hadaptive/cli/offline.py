"""Verbs for a machine without network and Snakemake: pack the work for it, merge what it made."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hadaptive.cli.common import Verb, study


def add(verb: Verb) -> None:
    """Add these verbs to the command line."""
    offline = verb("offline", _nothing, "run a scale on a machine without network and Snakemake")
    ways = offline.add_subparsers(required=True, metavar="pack|merge")
    pack = ways.add_parser("pack", help="write what to copy to the other machine, where `bash run.sh` runs it")
    pack.set_defaults(verb=_pack)
    pack.add_argument("dir", type=Path, help="new folder for the archives")
    pack.add_argument("--scale", default=argparse.SUPPRESS, help="a scale of params.yaml (default: the one it names)")
    pack.add_argument("--minutes", type=_positive, default=30.0, help="how long run.sh may take (default: 30)")
    pack.add_argument("--max-mib", type=_positive, default=4096.0, help="size of an archive at most, there and back")
    pack.add_argument("--have", type=Path, help="`pip list --format=json` of the other machine's Python, as a file")
    pack.add_argument("--no-wheels", action="store_true", help="pack no packages: the other machine has all")
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    pack.add_argument("--python", default=own, help=f"version of the other machine's Python (default: {own})")
    pack.add_argument("--only", action="append", metavar="PATTERN", help="of jobs, as 'train */seed0'; repeat for more")
    merge = ways.add_parser("merge", help="check an archive that run.sh left, and take its records in")
    merge.set_defaults(verb=_merge)
    merge.add_argument("archive", type=Path, help="results-ID.tar")


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def _nothing(a: argparse.Namespace) -> None:
    raise AssertionError("argparse asks for pack or merge")


def _pack(a: argparse.Namespace) -> None:
    from hadaptive.offline.pack import Settings, pack

    settings = Settings(a.minutes, a.max_mib, a.python, a.have, not a.no_wheels, tuple(a.only or ["*"]))
    packed = pack(study(a), a.dir, settings)
    for path in packed.archives:
        print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")
    print("\n".join(packed.left_out), end="\n" * bool(packed.left_out))
    print(f"{len(packed.jobs)} jobs. Copy {a.dir} to the other machine and run there: bash {a.dir.name}/run.sh")


def _merge(a: argparse.Namespace) -> None:
    from hadaptive.errors import UserError
    from hadaptive.offline.merge import merge

    merged = merge(a.archive)
    for job, reason in merged.failed.items():
        print(f"failed there: {job}: {reason}")
    print(f"{len(merged.records)} records taken, {len(merged.states)} trainings resume from where they stopped there")
    if merged.refused:
        reasons = (f"{name}: {reason}" for name, reason in merged.refused.items())
        raise UserError("\n".join([f"{a.archive}: not taken:", *reasons]))
