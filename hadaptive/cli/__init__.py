"""The command line: one verb for each rule of the workflow, and a few for people (`hadaptive VERB --help`).

Verbs import what they need when they run, so that `hadaptive runs` answers without loading torch.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import threading
from typing import Any

from hadaptive.cli import bench, bundle, make, offline, plan, publish, settle, share, show
from hadaptive.errors import Preempted, UserError, lacks

DISK = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "your disk quota is used up; free some space",
    errno.EFBIG: "the file is larger than this disk or your limits (ulimit -f) allow; raise the limit",
    errno.EROFS: "the disk is read-only; choose a folder you can write to",
    errno.EACCES: "no permission to write there; choose a folder you can write to",
    errno.EPERM: "no permission to write there; choose a folder you can write to",
}


RESUME = "run the same command again to resume from the last saved step"
QUIET_S = 1.5  # without output, in a terminal


def main(words: list[str] | None = None) -> int:
    """Run one verb. Returns the exit code: 0, or 1 after one clear message on standard error."""
    arguments = _parser().parse_args(words)
    if sys.stderr.isatty():  # importing torch takes seconds
        waiting = threading.Timer(QUIET_S, lambda: print("hadaptive: working ...", file=sys.stderr, flush=True))
        waiting.daemon = True
        waiting.start()
    try:
        arguments.verb(arguments)
        sys.stdout.flush()
    except UserError as error:
        return _fail(str(error))
    except ModuleNotFoundError as error:
        return _fail(f"this {lacks(error)}")
    except BrokenPipeError:  # `hadaptive runs | head` has read enough; Python must not flush the rest at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        if error.errno not in DISK:
            raise
        return _fail(
            f"{error.filename or 'output'}: {DISK[error.errno]} and run the same command again; nothing is lost"
        )
    except Preempted as error:
        _fail(f"{error}; {RESUME}")
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # once more would end in a traceback
        _fail(f"interrupted; {RESUME}")
        return 128 + signal.SIGINT
    return 0


def _fail(message: str) -> int:
    print(f"hadaptive: {message}", file=sys.stderr, flush=True)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hadaptive", description="Reproduce the paper's tables and figures.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, function: Any, text: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(verb=function)
        added.add_argument("--scale", help="a scale of params.yaml (default: the one it names)")
        threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
        added.add_argument("--threads", type=int, default=threads, help="CPU threads (default: %(default)s)")
        return added

    for family in (make, show, bundle, share, publish, plan, settle, bench, offline):
        family.add(verb)
    return parser
