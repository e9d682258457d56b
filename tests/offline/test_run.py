"""run.sh on jobs that are small programs: their order, what ends them, what is left, and that it goes on."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hadaptive.offline import session
from hadaptive.offline.pack import copy_scripts

HERE = Path(session.__file__).parent
ROOT = HERE.parents[1]
SAY = "import pathlib, sys, time; made = pathlib.Path(sys.argv[1]); made.parent.mkdir(parents=True, exist_ok=True); "
MAKE = f"{SAY}made.write_text('made'); print('order', time.monotonic())"
# as a training does: it writes progress to a terminal, saves when it is told to end, and goes on from there
TRAIN = f"""{SAY}
import signal
state = pathlib.Path('work', made.parent.name, 'state.pt')
done = int(state.read_text()) if state.exists() else 0
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
assert sys.stderr.isatty()
pathlib.Path('begun').touch()
while done < int(sys.argv[2]):
    done += 1
    print(f'\\repoch 1/1: 5%|# | {{done}}/{{sys.argv[2]}} [00:01<00:02]', end='', file=sys.stderr, flush=True)
    if asked:
        state.parent.mkdir(parents=True, exist_ok=True)
        state.write_text(str(done))
        raise SystemExit(143)
    time.sleep(0.02)
made.write_text(str(done))
"""


def job(name: str, program: str, *words: str, **more: Any) -> dict[str, Any]:
    made = f"results/tiny/{name}/record.json"
    common = {"needs": [], "keeps": [], "alone": False, "limit_s": None, "code": "abc", "makes": [made]}
    return {"name": name, "command": ["-c", program, made, *words], **common, **more}


@pytest.fixture
def packed(tmp_path: Path) -> Callable[..., Path]:
    """Writes a pack of jobs to a folder, which it returns."""

    def write(jobs: list[dict[str, Any]], **more: Any) -> Path:
        folder = tmp_path / "pack"
        folder.mkdir()
        copy_scripts(folder)
        code = ("hadaptive/__init__.py", *(f"hadaptive/offline/{name}.py" for name in ("__init__", "run", "session")))
        files = {f"project/{name}": (ROOT / name).read_bytes() for name in code} | {"project/code.py": b"pass"}
        with tarfile.open(folder / "part-1.tar", "w") as tar:
            for name, raw in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(raw)
                tar.addfile(info, io.BytesIO(raw))
        content = {
            "format": 1,
            "id": "abc",
            "scale": "tiny",
            "minutes": 10,
            "max_mib": 1,
            "data": [],
            "jobs": jobs,
            "least": {"python": [3, 11], "torch": [2, 0]},
            "carried": {},
            "files": {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()},
            "archives": {"part-1.tar": hashlib.sha256((folder / "part-1.tar").read_bytes()).hexdigest()},
            **more,
        }
        (folder / "pack.json").write_text(json.dumps(content))
        return folder

    return write


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHON": sys.executable, "HADAPTIVE_GPUS": ""}


def call(folder: Path, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        ["bash", str(folder / "run.sh"), *words],
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def left(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """What the archive says, and its members."""
    with tarfile.open(folder / "results-abc.tar") as tar:
        members = {member.name: tar.extractfile(member).read().decode() for member in tar}  # type: ignore[union-attr]
    return json.loads(members.pop("results.json")), members


def test_a_failure_is_noted_with_its_reason_and_stops_nothing(packed: Callable[..., Path]) -> None:
    waits = job("b", MAKE, needs=["results/tiny/c/record.json"])
    never = job("d", MAKE, needs=["results/tiny/a/record.json"])
    folder = packed([job("a", "raise SystemExit('no such thing')"), waits, job("c", MAKE, alone=True), never])
    output = call(folder)
    said, members = left(folder)
    assert {name: each["status"] for name, each in said["jobs"].items()} == {
        "a": "failed",
        "b": "done",
        "c": "done",
        "d": "left",
    }
    assert said["jobs"]["a"]["reason"] == "exit code 1: no such thing" in output
    began = {name: float(members[f"logs/offline/{name}.log"].split()[1]) for name in "bc"}
    assert began["c"] < began["b"], "what needs a file waits for it"
    assert said["files"].keys() == members.keys() and said["jobs"]["b"]["code"] == "abc"
    assert "starting" not in call(folder), "what failed is not tried again unasked"
    assert "starting a" in call(folder, "--retry")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_next_call_goes_on(packed: Callable[..., Path], number: int) -> None:
    folder = packed([job("slow", TRAIN, "100"), job("alone", MAKE, alone=True)])
    process = subprocess.Popen(
        ["bash", str(folder / "run.sh")], env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    while not (folder / "work/abc/project/begun").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "0 of 2 done, 1 at once: slow" in output
    said, members = left(folder)
    assert [each["status"] for each in said["jobs"].values()] == ["saved", "left"]
    reached = int(members["work/slow/state.pt"])
    shutil.rmtree(folder / "work")  # another machine, to which the archive alone was brought
    with_others = json.loads((folder / "pack.json").read_text())
    with_others["jobs"] = with_others["jobs"][:1]
    (folder / "pack.json").write_text(json.dumps(with_others))
    assert "resuming from" in call(folder)
    said, members = left(folder)
    assert said["jobs"]["slow"]["status"] == "done" and members["results/tiny/slow/record.json"] == "100"
    assert 0 < reached < 100 and "5%" not in members["logs/offline/slow.log"]


def test_the_time_over_is_the_same_and_a_job_that_does_not_end_is_ended(packed: Callable[..., Path]) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    folder = packed([job("deaf", deaf)])
    began = time.monotonic()
    output = call(folder, "--minutes", "0.1")
    said, _ = left(folder)
    assert "the time is over" in output and said["jobs"]["deaf"]["status"] == "saved"
    assert time.monotonic() - began < 50, "it did not wait for the job to end by itself"


def test_a_job_has_a_limit(packed: Callable[..., Path]) -> None:
    folder = packed([job("long", "import time; time.sleep(60)", limit_s=0.3), job("next", MAKE)])
    call(folder)
    said, _ = left(folder)
    assert [each["status"] for each in said["jobs"].values()] == ["failed", "done"]
    assert said["jobs"]["long"]["reason"] == "stopped after 0 s"


def test_what_does_not_fit_is_left_out_by_name(packed: Callable[..., Path]) -> None:
    big = f"{SAY}made.with_name('last.pt').write_bytes(bytes(2**20)); made.write_text('small')"
    folder = packed([job("big", big)])
    assert "left out, as the archive holds 1 MiB: results/tiny/big/last.pt" in call(folder)
    said, members = left(folder)
    assert "results/tiny/big/record.json" in members and said["left_out"] == {"results/tiny/big/last.pt": 2**20}
    assert (folder / "results-abc.tar").stat().st_size < 2**20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "part-1.tar").write_bytes(b"other"), "part-1.tar is damaged"),
        (lambda folder: (folder / "part-1.tar").unlink(), "part-1.tar is missing"),
        (lambda folder: (folder / "pack.json").write_text("{"), "pack.json cannot be read"),
        (lambda folder: (folder / "pack.json").write_text('{"format": 99}'), "has format 99"),
    ],
)
def test_what_is_damaged_is_named(packed: Callable[..., Path], change: Callable[[Path], None], message: str) -> None:
    folder = packed([job("a", MAKE)])
    change(folder)
    output = call(folder, code=1)
    assert message in output and "Traceback" not in output


def test_code_that_was_changed_there_is_named(packed: Callable[..., Path]) -> None:
    folder = packed([job("a", MAKE)])
    call(folder)
    (folder / "work/abc/project/code.py").write_text("other")
    assert "code.py is missing or changed" in call(folder, code=1)


def test_an_older_torch_is_named(packed: Callable[..., Path]) -> None:
    folder = packed([job("a", MAKE)], least={"python": [3, 11], "torch": [99, 0]})
    assert "torch 99.0 or newer is needed" in call(folder, code=1)


class Stepping:
    """A training whose steps per second are given."""

    def __init__(self, rate: float) -> None:
        self.speed = rate

    def rate(self, since: float) -> float | None:
        return self.speed


@pytest.mark.parametrize(("total", "pays"), [([1, 1.9, 2.6, 2.65, 5], 3), ([1, 1.02], 1), ([1, 2, 3, 4], 4)])
def test_as_many_at_once_as_pay(total: list[float], pays: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "WINDOW_S", 0.0)
    at_once, witness = session.AtOnce(1, len(total)), Stepping(0)
    running: list[Any] = [witness]
    for _ in range(20):
        running += [Stepping(1) for _ in range(at_once.level - len(running))]
        witness.speed = total[len(running) - 1] / len(running)
        at_once.look(running, lambda: True)
    assert at_once.level == pays


def test_no_more_at_once_than_there_is_memory_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "WINDOW_S", 0.0)
    at_once = session.AtOnce(1, 8)
    at_once.look([Stepping(1)], lambda: False)  # type: ignore[list-item]
    assert at_once.level == 1 and not at_once.tried


def test_a_damaged_memory_of_earlier_jobs_is_one_message(packed: Callable[..., Path]) -> None:
    folder = packed([job("one", MAKE)])
    call(folder)
    (folder / "work/abc/project/outcomes.json").write_text("{")
    said = call(folder, code=1)
    assert "outcomes.json cannot be read" in said and "Traceback" not in said
