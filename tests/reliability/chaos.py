"""Kill the pipeline at random moments, start it again, and compare what comes out with an undisturbed run, bit for bit.

    python tests/reliability/chaos.py --times 20          # each kind in turn; --kinds trainer dvc
    python tests/reliability/chaos.py --times 40          # goes on after the first 20

Works on a copy of the project in --folder, which also holds the journal (chaos.jsonl), so that a run of this command
that was itself interrupted goes on with the next kill. Moments follow from --seed and the number of the kill.

Kinds: `trainer`, `snakemake` and `dvc` get SIGKILL, all of that name and nothing else: what they had started runs on.
`all` kills every process of a run of Snakemake, as a machine does that fails. `preempted` sends the trainer SIGTERM.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.workflow.conftest import ROOT, Project, copied

KINDS = ("trainer", "snakemake", "dvc", "all", "preempted")
RUN = "cifar100/mobilenetv3_small_100/base/seed0"
RECORD = f"results/demo/{RUN}/record.json"
TRAINED = ("results/demo", "work", "logs/demo", "dvc.lock", ".dvc/tmp", ".snakemake/locks", ".snakemake/incomplete")
ATTEMPTS = 6  # to finish after a kill: a lock takes one more
STAGE = f"""\
stages:
  results:
    cmd: snakemake --cores 2 {RECORD}
    deps: [hadaptive, params.yaml, data/prepared]
    outs:
      - results/demo: {{persist: true}}
"""


def settings(epochs: int) -> dict[str, Any]:
    """The project's parameters with one small model to train."""
    import yaml

    values: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
    recipe = {"epochs": epochs, "image_size": 32, "batch_size": 16, "train_examples": 160}
    scale = {"stand_in": True, "tasks": {"cifar100": {"dataset": "digits", "recipe": recipe}}}
    values |= {"models": ["mobilenetv3_small_100"], "variants": {}, "scales": {"demo": scale}}
    for entry in (*values["zoo"].values(), *values["detection"].values()):
        entry.pop("variant", None)
    return values


def prepared(folder: Path, epochs: int) -> Project:
    """A copy of the project with these settings, under version control, its data prepared."""
    import yaml

    project = copied(folder)
    (folder / "results").mkdir()
    for part in (".dvcignore", ".gitignore", "results/.gitignore"):
        shutil.copy(ROOT / part, folder / part)
    (folder / "params.yaml").write_text(yaml.safe_dump(settings(epochs), sort_keys=False))
    (folder / "dvc.yaml").write_text(STAGE)
    project.run("git init -q . && dvc init -q && snakemake --cores 2 data_all")
    return project


def command(kind: str) -> str:
    if kind in ("trainer", "preempted"):
        return f"python -m hadaptive train {RUN} --threads 1"
    return "dvc repro results" if kind == "dvc" else f"snakemake --cores 2 {RECORD}"


def forget(project: Project) -> None:
    """Back to where nothing was trained."""
    for name in TRAINED:
        path = project.folder / name
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def result(project: Project) -> dict[str, Any]:
    """What has to be equal: status, metrics, checkpoints, and the curve without timings."""
    record = json.loads((project.folder / RECORD).read_text())
    curve = [{key: value for key, value in entry.items() if key != "examples_per_s"} for entry in record["curve"]]
    sums = {name: entry["sha256"] for name, entry in record["checkpoints"].items()}
    return {"status": record["status"], "checkpoints": sums, "curve": curve, "metrics": record["metrics"]}


def named(process: psutil.Process, kind: str) -> bool:
    """Whether a process of the run is of that kind; shells that only wait for one are not."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    if kind == "all":
        return True
    if kind in ("trainer", "preempted"):
        return words[1:4] == ["-m", "hadaptive", "train"]
    return any(Path(word).name == kind for word in words[:2])


def started(project: Project, words: str) -> subprocess.Popen[str]:
    """Output goes to a file: what a killed parent leaves running would hold a pipe open."""
    return project.start(f"exec {words} > output 2>&1")


def strike(process: subprocess.Popen[str], kind: str, after_s: float) -> tuple[int | None, list[psutil.Process]]:
    """Wait, then kill what is of that kind. Exit code of what was hit (None: the run had ended, or has no such process
    yet), and the processes of the run that live on."""
    deadline = time.monotonic() + after_s
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    if process.poll() is not None:
        return None, []
    root = psutil.Process(process.pid)
    everything = [root, *root.children(recursive=True)]
    hit = [each for each in everything if named(each, kind)]
    for each in hit:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.send_signal(signal.SIGTERM if kind == "preempted" else signal.SIGKILL)
    if root not in hit:
        return None, everything
    return process.wait(), [each for each in everything if each not in hit]


def recover(project: Project, kind: str, left: list[psutil.Process]) -> list[str]:
    """Do as the messages say until the command succeeds; returns what had to be done."""
    done: list[str] = []
    for _ in range(ATTEMPTS):
        code = started(project, command(kind)).wait()
        output = (project.folder / "output").read_text()
        if code == 0:
            return [*done, "again"]
        locked = "cannot be locked" in output
        if locked and not any(each.is_running() and named(each, "snakemake") for each in left):
            project.run("snakemake --unlock")
            done.append("unlock")
        elif locked or "Unable to acquire lock" in output or "is busy" in output:
            psutil.wait_procs(left, timeout=600)  # what was left behind is at work, as the message says
            done.append("wait")
        else:
            raise RuntimeError(f"{command(kind)} did not recover:\n{output[-4000:]}")
    raise RuntimeError(f"no success after {done}:\n{output[-4000:]}")


def said(project: Project, kind: str) -> list[str]:
    """The trainer's lines."""
    file = project.folder / ("output" if kind in ("trainer", "preempted") else f"logs/demo/{RUN}.log")
    return file.read_text().splitlines() if file.exists() else []


def trial(project: Project, kind: str, after_s: float, expected: dict[str, Any]) -> dict[str, Any]:
    """One kill and what came of it."""
    forget(project)
    code, left = strike(started(project, command(kind)), kind, after_s)
    stood = said(project, kind)
    did = recover(project, kind, left)
    psutil.wait_procs(left, timeout=600)
    after = [line for line in said(project, kind) if "resumed after" in line or "finished before" in line]
    found = result(project)
    known = {"found": found} if found != expected else {}
    return {
        "kind": kind,
        "after_s": round(after_s, 2),
        "exit": code,
        "stood": stood[-1] if stood else None,
        "did": did,
        "then": after[0] if after else None,
        "equal": found == expected,
        **known,
    }


def undisturbed(folder: Path, epochs: int) -> dict[str, Any]:
    """What the run gives that nobody disturbs, and how long each command takes; made once."""
    file = folder / "undisturbed.json"
    if not file.exists():
        shutil.rmtree(folder / "project", ignore_errors=True)
        project, seconds = prepared(folder / "project", epochs), {}
        for kind in ("trainer", "snakemake", "dvc"):
            forget(project)
            begun = time.monotonic()
            project.run(command(kind))
            seconds[kind] = time.monotonic() - begun
        file.write_text(json.dumps({"result": result(project), "seconds": seconds}))
    known: dict[str, Any] = json.loads(file.read_text())
    return known


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/hadaptive-chaos"))
    a = parser.parse_args(words)
    known, journal, project = undisturbed(a.folder, a.epochs), a.folder / "chaos.jsonl", Project(a.folder / "project")
    done = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    for number in range(len(done), a.times):
        kind = a.kinds[number % len(a.kinds)]
        whole_s = known["seconds"][{"preempted": "trainer", "all": "snakemake"}.get(kind, kind)]
        after_s = random.Random(f"{a.seed}/{number}").uniform(0.1, 1.0) * whole_s
        done.append(trial(project, kind, after_s, known["result"]))
        print(json.dumps(done[-1]), flush=True)
        with journal.open("a") as file:
            file.write(json.dumps(done[-1]) + "\n")
    print("\n| killed | times | while it ran | lost |\n| --- | --: | --: | --: |")
    for kind in dict.fromkeys(entry["kind"] for entry in done):
        of_kind = [entry for entry in done if entry["kind"] == kind]
        lost = sum(not entry["equal"] for entry in of_kind)
        print(f"| {kind} | {len(of_kind)} | {sum(entry['exit'] is not None for entry in of_kind)} | {lost} |")
    return 0 if all(entry["equal"] for entry in done) else 1


if __name__ == "__main__":
    sys.exit(main())
