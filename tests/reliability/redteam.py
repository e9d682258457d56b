"""Try every attack of the red team and count what came of them: the table of docs/reliability.md.

    python tests/reliability/redteam.py                  # parameters, records, data, checkpoints, locks, kills
    python tests/reliability/redteam.py --only data      # one kind of attack
    python tests/reliability/redteam.py --chaos 60       # and 60 kills of the pipeline by chaos.py: hours

Exit code 1 where anything was lost, accepted wrongly, or ended in a traceback.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.reliability import attack_checkpoints, attack_data, attack_kills, attack_locks, attack_params, attack_records
from tests.reliability.attack import ACCEPTED, HARMLESS, OTHER, REFUSED, SLOW, TRACEBACK, Attack, tried

KINDS: dict[str, list[Attack]] = {
    "parameters": attack_params.ATTACKS,
    "records": attack_records.ATTACKS,
    "data": attack_data.ATTACKS,
    "checkpoints": attack_checkpoints.ATTACKS,
    "locks": attack_locks.ATTACKS,
    "kills": attack_kills.ATTACKS,
}


def count(kind: str) -> Counter[str]:
    """How the attacks of a kind ended; what did not end well is printed."""
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        most_cpu_s = attack_params.most_cpu_s(Path(folder)) if kind == "parameters" else math.inf
    for attack in KINDS[kind]:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            outcome = tried(attack, Path(folder))
        if outcome.cpu_s > most_cpu_s:
            outcome = replace(outcome, verdict=SLOW)
        found[outcome.verdict] += 1
        if not outcome.good:
            print(f"{kind}: {attack.name}: {outcome.verdict} ({outcome.cpu_s:.2f} s): {outcome.text}", file=sys.stderr)
    return found


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(KINDS), default=list(KINDS), metavar="KIND")
    parser.add_argument("--chaos", type=int, default=0, metavar="N", help="kill the pipeline N times besides")
    a = parser.parse_args(words)
    attack_kills.CLEAN.set_forkserver_preload(["tests.reliability.redteam"])  # as each imports it
    shown = (REFUSED, HARMLESS, ACCEPTED, TRACEBACK, OTHER, SLOW)
    print(f"| attacks on | tried | {' | '.join(shown)} |\n| --- | --: |{' --: |' * len(shown)}")
    bad = 0
    for kind in a.only:
        found = count(kind)
        bad += found.total() - found[REFUSED] - found[HARMLESS]
        print(f"| {kind} | {found.total()} | {' | '.join(str(found[each]) for each in shown)} |", flush=True)
    if a.chaos:
        from tests.reliability import chaos

        bad += chaos.main(["--times", str(a.chaos)])
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
