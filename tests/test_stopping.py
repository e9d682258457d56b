"""Whoever asks the workflow to stop reaches the trainings that it has started, and sees no traceback."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hadaptive.cli import main, make

ROOT = Path(__file__).resolve().parent.parent
# Stands for a trainer: saves when it is told to stop.
TRAINER = """
import pathlib, signal, sys, threading
told = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: told.set())
signal.signal(signal.SIGINT, lambda *_: None)
print("training", flush=True)
told.wait()
pathlib.Path("saved").write_text("")
"""
# Stands for Snakemake: a shell between it and the trainer, for whose end it waits.
WORKFLOW = f"""
import os, subprocess, sys
from hadaptive import stopping
stopping.pass_on()
command = "set -e; {sys.executable} -m hadaptive train; echo never"
shell = subprocess.Popen(["bash", "-c", command], env={{**os.environ, "PYTHONPATH": "trainer"}})
try:
    shell.wait()
except KeyboardInterrupt:
    shell.wait()
print("ended", flush=True)
"""


@pytest.mark.parametrize("sent", [[signal.SIGTERM], [signal.SIGINT], [signal.SIGINT, signal.SIGINT]])
def test_a_signal_to_the_workflow_alone_reaches_the_trainer(tmp_path: Path, sent: list[signal.Signals]) -> None:
    (tmp_path / "trainer/hadaptive").mkdir(parents=True)
    (tmp_path / "trainer/hadaptive/__init__.py").touch()
    (tmp_path / "trainer/hadaptive/__main__.py").write_text(TRAINER)
    process = subprocess.Popen(
        [sys.executable, "-c", WORKFLOW],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "training\n"
    for each in sent:
        process.send_signal(each)
    assert "ended" in process.communicate()[0] and process.returncode in (0, -signal.SIGTERM)
    assert (tmp_path / "saved").exists()


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(errno.EFBIG, "File too large", "state.pt"), 1, "state.pt: the file is larger than this disk or your"),
        (KeyboardInterrupt(), 130, "interrupted; run the same command again to resume from the last saved step"),
    ],
)
def test_what_ends_a_verb_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: str
) -> None:
    def fails(arguments: object) -> None:
        raise error

    monkeypatch.setattr(make, "_data", fails)
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background may ignore it
    try:
        assert main(["data", "digits"]) == code
        assert (signal.getsignal(signal.SIGINT) is signal.SIG_IGN) == (code == 130)
    finally:
        signal.signal(signal.SIGINT, before)
    assert said in capsys.readouterr().err
