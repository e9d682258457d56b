"""What a job's log says when a signal ended the job: `python -m hadaptive.ended STATUS -m hadaptive VERB ...`.

The shell of a rule starts it (`workflow/rules/common.smk`), with the exit status and the words of the command: the job
itself has no time to say anything. Imports no torch.
"""

from __future__ import annotations

import json
import signal
import sys

from hadaptive.records import processor
from hadaptive.study.measures import parse
from hadaptive.tasks import TASKS

AGAIN = "Run the same command again; a training resumes from the state that it saved last."
NATIVE = f"""\
This is a fault in a native library (PyTorch, oneDNN, ONNX Runtime, ...), not in your settings. A traceback above names
the place. {AGAIN}
If the job ends in the same way, let the libraries use fewer of this processor's instructions ({{processor}}):
`export ONEDNN_MAX_CPU_ISA=AVX ATEN_CPU_CAPABILITY=default`, and please report the fault with this log."""
REMEDIES = {
    signal.SIGSEGV: NATIVE,
    signal.SIGABRT: NATIVE,
    signal.SIGBUS: f"{NATIVE}\nA full disk or a full /dev/shm can be the cause, too.",
    signal.SIGFPE: NATIVE,
    signal.SIGILL: NATIVE,
    signal.SIGKILL: f"""\
Probably the system ran out of memory and chose this process (`dmesg` lists such cases). {AGAIN}
If it is killed again, run fewer jobs at once, for example with `--cores 1`.""",
}
REQUESTS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # the sender knows why, and a training says what it saved


def message(status: int, words: list[str]) -> str | None:
    """Explain a shell's exit status: what ended the job, what to do; None where it was no signal or a request.

    `words`: the command's arguments, `-m hadaptive VERB ...`.
    """
    try:
        ended_by = signal.Signals(status - 128)
    except ValueError:
        return None
    if ended_by in REQUESTS:
        return None
    remedy = REMEDIES.get(ended_by, AGAIN)
    what = f"hadaptive: {job(words)} was ended by {ended_by.name} ({signal.strsignal(ended_by)})."
    return f"{what}\n{remedy.format(processor=processor())}"


def job(words: list[str]) -> str:
    """Return the verb and the id of what it made, for example `train cifar100/starnet_s1/base/seed0`."""
    names = words[2:] if words[:2] == ["-m", "hadaptive"] else words
    until = next((n for n, word in enumerate(names) if word.startswith("-")), len(names))
    return " ".join(_id(name) if name.startswith("{") else name for name in names[:until])


def _id(text: str) -> str:
    task = json.loads(text).get("task")
    return TASKS[task].run.model_validate_json(text).id if task else parse(text).id


def main() -> None:
    status, *words = sys.argv[1:]
    if text := message(int(status), words):
        print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
