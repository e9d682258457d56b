"""The jobs of a pack, run within a time: which at once, what ends them, what is left. Python's standard library alone.

`run.py` unpacks and verifies first, then starts it. Both lie in the pack's folder, beside the archives.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import platform
import pty
import re
import signal
import statistics
import struct
import subprocess
import sys
import tarfile
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FORMAT = 1
PACK, RESULTS, OUTCOMES = "pack.json", "results.json", "outcomes.json"
BAR = re.compile(r"(\d+)/(\d+) \[")  # as tqdm writes steps
WINDOW_S = 4.0  # of steps that are looked at before one more training is tried
GAIN = 1.05  # one more at once pays where all together make this many times the steps
MOST_AT_ONCE = 8  # on one GPU
ROOM = 0.7  # of a GPU's memory that may be in use
SHOWN_S = 5.0
SAVED = (143, -signal.SIGTERM)  # exit codes of a training that was told to end
LOG_BYTES = 256 * 1024  # of each log, its end


class Stop(Exception):
    """What keeps the pack from running here; the message says what to do."""


class Running:
    """A job under way. Its standard error is a terminal, so that a training writes its progress; the rest is logged."""

    def __init__(self, job: dict[str, Any], project: Path, environment: dict[str, str]) -> None:
        self.job, self.started, self.log = job, time.monotonic(), project / _log(job)
        self.steps, self.total = 0, 0
        self.rates: list[tuple[float, float]] = []  # when, steps per second
        self._seen: tuple[float, int] | None = None
        self._text = ""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.log.open("ab", buffering=0)
        self._terminal, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
        os.set_blocking(self._terminal, False)
        self.process = subprocess.Popen(
            [sys.executable, *job["command"]],
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=other,
            start_new_session=True,
        )
        os.close(other)

    def look(self) -> int | None:
        """Take in what it wrote; its exit code once it has ended."""
        code = self.process.poll()
        try:
            while raw := os.read(self._terminal, 65536):
                self._take(raw.decode(errors="replace"))
        except OSError:  # nothing more for now, or at all
            pass
        if code is not None:
            self._take("\n")
            os.close(self._terminal)
            self._file.close()
        return code

    def _take(self, text: str) -> None:
        *lines, self._text = re.split(r"[\r\n]", self._text + text)
        for line in lines:
            if match := BAR.search(line):
                self._step(int(match[1]), int(match[2]))
            elif line.strip(" \x1b[A"):
                self._file.write(f"{line}\n".encode())

    def _step(self, steps: int, total: int) -> None:
        now = time.monotonic()
        if self._seen and steps > self._seen[1] and now > self._seen[0]:
            self.rates.append((now, (steps - self._seen[1]) / (now - self._seen[0])))
        if not self._seen or steps != self._seen[1]:
            self._seen = now, steps
        self.steps, self.total = steps, total

    def rate(self, since: float) -> float | None:
        """Return the median steps per second since then, without evaluations between steps. None: too few were seen."""
        rates = [rate for when, rate in self.rates if when >= since]
        return statistics.median(rates) if len(rates) >= 3 else None

    def end(self, number: int) -> None:
        """Send a signal to it, if it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(number)


class AtOnce:
    """How many trainings run side by side: one more as long as all together make `GAIN` times the steps.

    What one makes is told by the first of them: k trainings at once make k times its steps per second, as those that
    are tried at the same time are alike enough.
    """

    def __init__(self, least: int, most: int) -> None:
        self.level, self.most, self.tried = least, most, least < most
        self.gains: dict[int, float] = {}  # steps of all, relative to the least, by number at once
        self._since: float | None = None
        self._before: tuple[Running, int, float] | None = None

    def look(self, running: list[Running], room: Callable[[], bool]) -> None:
        """Decide from what is running whether one more is tried, or the last was one too many."""
        if not self.tried or len(running) < self.level or any(job.rate(0) is None for job in running):
            self._since = None
            return
        now = time.monotonic()
        self._since = self._since or now
        witness = running[0]
        if now - self._since < WINDOW_S or (rate := witness.rate(self._since)) is None:
            return
        self._since = None
        if self._before and self._before[0] is witness:
            gain = self.level * rate / (self._before[1] * self._before[2])
            self.gains[self.level] = self.gains.get(self._before[1], 1.0) * gain
            if gain < GAIN:
                self.level, self.tried = self._before[1], False
                return
        self._before = witness, self.level, rate
        if self.level < self.most and room():
            self.level += 1
        else:
            self.tried = False


class Session:
    """One call of run.sh: what is left to do, what is running, and how each job ended."""

    def __init__(
        self,
        pack: dict[str, Any],
        work: Path,
        environment: dict[str, str],
        started: float,
        seconds: float,
        asked: list[int],
        retry: bool = False,
    ) -> None:
        self.pack, self.project, self.environment = pack, work / "project", environment
        self.started, self.seconds, self.asked = started, seconds, asked
        self.reserve = min(60.0, max(3.0, 0.08 * seconds))  # to save, and to write the archive
        self.outcomes: dict[str, dict[str, Any]] = {}
        if (self.project / OUTCOMES).exists():
            self.outcomes = read(self.project / OUTCOMES)
        kept = ("done",) if retry else ("done", "failed")
        self.left = [j for j in pack["jobs"] if self.outcomes.get(j["name"], {}).get("status") not in kept]
        self.running: list[Running] = []
        self.gpus = _gpus(environment)
        environment.pop("CUDA_VISIBLE_DEVICES", None)  # each training takes one of these for itself
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.at_once = AtOnce(max(1, len(self.gpus)), MOST_AT_ONCE * len(self.gpus) or cores)
        if self.gpus:  # places, so that several trainings can hold one GPU
            environment["HADAPTIVE_GPUS"] = ",".join(self.gpus * MOST_AT_ONCE)

    def over(self) -> bool:
        return bool(self.asked) or time.monotonic() - self.started > self.seconds - self.reserve

    def run(self) -> None:
        """Run jobs until all are done or the time is over; then have what runs saved."""
        shown = 0.0
        while not self.over() and (self.left or self.running):
            self._start()
            if not self.running:  # what is left needs what failed
                break
            time.sleep(0.1)
            self._look()
            self.at_once.look([r for r in self.running if not r.job["alone"]], self._room)
            if time.monotonic() - shown > SHOWN_S:
                shown = time.monotonic()
                say(self._line())
        self._end()

    def _start(self) -> None:
        while self.running == [] or (not self.running[0].job["alone"] and len(self.running) < self.at_once.level):
            job = next((j for j in self.left if all((self.project / need).exists() for need in j["needs"])), None)
            if job is None or (job["alone"] and self.running):
                return
            self.left.remove(job)
            say(f"starting {job['name']}")
            self.running.append(Running(job, self.project, self.environment))

    def _look(self) -> None:
        for running in list(self.running):
            code = running.look()
            limit = running.job["limit_s"]
            if code is None and limit and time.monotonic() - running.started > limit:
                running.end(signal.SIGKILL)
                running.process.wait()
                running.look()
                self._ended(running, "failed", f"stopped after {limit:.0f} s")
            elif code is not None:
                self._judge(running, code)

    def _judge(self, running: Running, code: int) -> None:
        lost = [name for name in running.job["makes"] if not (self.project / name).exists()]
        if code == 0 and not lost:
            self._ended(running, "done")
        elif code in SAVED:
            self._ended(running, "saved", "resumes with the next call")
        else:
            reason = f"exit code {code}: " if code else f"{lost[0]} was not made: "
            self._ended(running, "failed", reason + last_line(running.log.read_text(errors="replace")))

    def _ended(self, running: Running, status: str, reason: str = "") -> None:
        self.running.remove(running)
        took = time.monotonic() - running.started
        self.outcomes[running.job["name"]] = {"status": status, "seconds": round(took, 1), "reason": reason}
        say(f"{status}: {running.job['name']} ({took:.0f} s){': ' * bool(reason)}{reason}")
        write(self.project / OUTCOMES, json.dumps(self.outcomes, indent=1))

    def _end(self) -> None:
        """Tell what runs to save and to end, and wait for it: for as long as the time allows."""
        if self.running:
            say(f"the time is over: {len(self.running)} running are told to save")
        until = max(self.started + self.seconds - 0.3 * self.reserve, time.monotonic() + 0.7 * self.reserve)
        for running in self.running:
            running.end(signal.SIGTERM)
        while self.running and time.monotonic() < until:
            time.sleep(0.1)
            for running in list(self.running):
                if (code := running.look()) is not None:
                    if code and running.job["alone"]:  # a measurement, which has nothing to save
                        self._ended(running, "saved", "not finished; starts again with the next call")
                    else:
                        self._judge(running, code)
        for running in list(self.running):
            running.end(signal.SIGKILL)
            running.process.wait()
            running.look()
            self._ended(running, "saved", "ended before it could save; resumes from the state before")

    def _room(self) -> bool:
        """Return whether the GPUs' memory takes one more training like those that run."""
        running = len(self.running)
        if not self.gpus or not running:
            return True
        words = ["nvidia-smi", "--query-gpu=memory.used,memory.total", "--format=csv,noheader,nounits"]
        try:
            rows = subprocess.run(words, capture_output=True, text=True, timeout=10).stdout.split("\n")
            shares = [float(used) / float(total) for used, total in (row.split(",") for row in rows if row.strip())]
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return False
        jobs = -(-running // len(self.gpus))
        return max(shares, default=1.0) * (jobs + 1) / jobs < ROOM

    def _line(self) -> str:
        done = sum(each["status"] == "done" for each in self.outcomes.values())
        progress = ", ".join(_short(each) for each in self.running[:3])
        more = f", and {len(self.running) - 3} more" if len(self.running) > 3 else ""
        return f"{done} of {len(self.pack['jobs'])} done, {len(self.running)} at once: {progress}{more}"

    def leave(self, out: Path, most_mib: float) -> None:
        """Write the archive: what happened, then records, logs and, as far as they fit, checkpoints and states."""
        room, members, left_out = most_mib * 2**20 - 2**16, [], {}
        for path in self._files():
            name = path.relative_to(self.project).as_posix()
            raw = path.read_bytes()
            raw = raw[-LOG_BYTES:] if path.suffix == ".log" else raw
            size = -(-len(raw) // 512) * 512 + 1024
            if size > room:
                left_out[name] = len(raw)
                continue
            room -= size
            members.append((name, raw))
        status = {
            job["name"]: {**self.outcomes.get(job["name"], {"status": "left"}), "code": job["code"]}
            for job in self.pack["jobs"]
        }
        results = {
            "format": FORMAT,
            "pack": self.pack["id"],
            "scale": self.pack["scale"],
            "jobs": status,
            "carried": self.pack["carried"],
            "at_once": {"last": self.at_once.level, "gains": self.at_once.gains},
            "machine": {"python": platform.python_version(), "system": platform.platform(), "gpus": self.gpus},
            "files": {name: hashlib.sha256(raw).hexdigest() for name, raw in members},
            "left_out": left_out,
        }
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, raw in [(RESULTS, json.dumps(results, indent=1).encode()), *members]:
                info = tarfile.TarInfo(name)
                info.size, info.mtime = len(raw), int(time.time())
                tar.addfile(info, io.BytesIO(raw))
        write(out, buffer.getvalue())
        count, mib = sum(outcome["status"] == "done" for outcome in status.values()), len(buffer.getvalue()) / 2**20
        say(f"{out}: {count} of {len(status)} jobs done, {len(members)} files, {mib:.1f} MiB")
        for name, outcome in status.items():
            if outcome["status"] == "failed":
                say(f"failed: {name}: {outcome['reason']}")
        if left_out:
            say(f"left out, as the archive holds {most_mib:g} MiB: {', '.join(left_out)}")

    def _files(self) -> list[Path]:
        """Return what goes into the archive, what matters most first."""
        made = [self.project / name for job in self.pack["jobs"] for name in job["makes"] if name.endswith(".json")]
        logs = [self.project / _log(job) for job in self.pack["jobs"]]
        keeps = [self.project / name for job in self.pack["jobs"] for name in job["keeps"]]
        others = [path.with_name(name) for path in made for name in ("last.pt", "best.pt")]
        states = sorted(self.project.glob("work/**/state.pt"), key=lambda path: -path.stat().st_mtime)
        return [path for path in dict.fromkeys([*made, *logs, *keeps, *states, *others]) if path.is_file()]


def _gpus(environment: dict[str, str]) -> list[str]:
    """Return the GPUs to use: those that the environment names, as a scheduler does, otherwise all of this machine."""
    named = environment.get("HADAPTIVE_GPUS", environment.get("CUDA_VISIBLE_DEVICES"))
    if named is not None:
        return [part for part in named.split(",") if part]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [str(n) for n in range(sum(line.startswith("GPU ") for line in listed.splitlines()))]


def _log(job: dict[str, Any]) -> str:
    return f"logs/offline/{re.sub(r'[^A-Za-z0-9_/.-]', '_', job['name'])}.log"


def _short(running: Running) -> str:
    steps = f" step {running.steps} of {running.total}" if running.total else ""
    return f"{running.job['name'].partition(' ')[2] or running.job['name']}{steps}"


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def last_line(text: str) -> str:
    return next((line.strip()[:300] for line in reversed(text.splitlines()) if line.strip()), "it said nothing")


def read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content
    except (OSError, ValueError) as error:
        raise Stop(f"{path} cannot be read ({error}); copy it here again") from None


def write(path: Path, content: str | bytes) -> None:
    raw = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(raw)
    temporary.replace(path)
