"""Import heavy libraries once for all jobs of a workflow: a process that has them forks a child for each job.

`start`, which the workflow calls, starts the server: this file as a script. It imports libraries and nothing of this
project, so that every child reads the project's code afresh; it starts no thread and never touches CUDA. `forked`,
which `python -m hadaptive` calls first, hands a job over and ends as the child ends: by its exit code or by its signal.

What a child has from the server and not from its job (`inherited`) must be equal in both; where it differs, or where
anything else is wrong with the server, the job runs in its own process. Linux only.

The server forks a keeper for each job, and the keeper the child. A keeper waits for its child, tells the job how it
ended, and kills the child where the job was killed. A workflow that is killed ends its server; jobs that run then go
on, as they do without a server.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import resource
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from types import FrameType
from typing import Any, NoReturn

VARIABLE = "HADAPTIVE_PRELOAD"  # the server's socket; empty: none is started
TORCH = (
    *("torch", "timm", "torchvision", "pydantic"),
    # what torch.onnx.export imports at its first call
    *("onnxscript.function_libs.torch_lib.ops", "torch.onnx._internal.exporter._core"),
    *("torch._dynamo", "torch.export._trace", "torch.onnx._internal.exporter._fx_passes"),
)
TABLES = ("pydantic", "yaml", "jinja2", "pandas")
FIGURES = (*TABLES, "seaborn", "matplotlib.backends.backend_pdf", "PIL.PngImagePlugin")
# What is imported for each verb that may be forked: none of them times anything in a process without torch.
VERBS = {"train": TORCH, "export": TORCH, "render": TABLES, "figure": FIGURES}
THREADED = "pyarrow"  # starts a thread when it is imported; pandas does without it
# Snakemake sets these for each job, to the threads of its rule; libraries read them once, when they are loaded.
THREADS = ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")
# What the shell of a job changes, and what no library reads when it is imported.
FREE = {"PATH", "PWD", "OLDPWD", "SHLVL", "_", "PS1", "PS2", "TMPDIR", "TMP", "TEMPDIR", "TEMP"}
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
PATIENCE_S = 600.0  # for the server's imports, on the slowest machine
PR_SET_PDEATHSIG = 1


def libraries(verbs: Iterable[str]) -> list[str]:
    """Return what the verbs that run more than once import; a server for a single job costs more than it saves."""
    runs = Counter(verbs)
    return list(dict.fromkeys(name for verb, known in VERBS.items() if runs[verb] > 1 for name in known))


def start(libraries: Iterable[str]) -> None:
    """Start the server of this process and name it to the processes that this one starts, by `HADAPTIVE_PRELOAD`.

    Nothing happens where that variable is set already (empty: switched off) or where the system cannot do it. The
    server ends with this process, however this process ends.
    """
    if VARIABLE in os.environ or not hasattr(os, "pidfd_open"):
        return
    folder = tempfile.mkdtemp(prefix="hadaptive-")  # of a random name, for this user alone
    one_thread = {f"{library}_NUM_THREADS": "1" for library in THREADS} | {"VECLIB_MAXIMUM_THREADS": "1"}
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(f"{folder}/socket")
            listening.listen(64)
            server = subprocess.Popen(
                [sys.executable, "-P", __file__, str(listening.fileno()), folder, *libraries],
                stdin=subprocess.PIPE,  # its end is the end of this process
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[listening.fileno()],
                start_new_session=True,  # Ctrl-C is the jobs' to pass on
                env={**os.environ, **one_thread},
            )
    except OSError:  # for example a path too long for a socket
        shutil.rmtree(folder, ignore_errors=True)
        return
    os.environ[VARIABLE] = f"{folder}/socket"
    atexit.register(_stop, server, folder)


def _stop(server: subprocess.Popen[bytes], folder: str) -> None:
    os.environ.pop(VARIABLE, None)
    assert server.stdin is not None
    server.stdin.close()
    try:
        server.wait(5)
    except subprocess.TimeoutExpired:  # it is still importing
        server.kill()
        server.wait()
    shutil.rmtree(folder, ignore_errors=True)


def inherited() -> str:
    """Return what a forked child takes from its server, as JSON: Python, paths, limits, variables read on import."""
    flags = {name: getattr(sys.flags, name) for name in dir(sys.flags) if not name.startswith(("_", "n_", "safe_path"))}
    flags = {name: value for name, value in flags.items() if not callable(value)}
    limits = [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")]
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in FREE and not name.startswith("HADAPTIVE_") and not name.startswith("BASH_FUNC_")
    }
    return json.dumps(
        {
            "python": [sys.version, os.path.realpath(sys.executable), sys.prefix, flags, sys.warnoptions],
            "path": sys.path if __name__ == "__main__" else sys.path[1:],  # a job has its folder first
            "folder": os.getcwd(),
            "ids": [os.getresuid(), os.getresgid(), sorted(os.getgroups())],
            "limits": limits,
            "processors": [sorted(os.sched_getaffinity(0)), os.getpriority(os.PRIO_PROCESS, 0)],
            "variables": variables,
        },
        sort_keys=True,
    )


def forked() -> None:
    """Have a child of the server run this process's verb and end as it ends. Returns where that cannot be done."""
    path = os.environ.get(VARIABLE)
    if not path or sys.argv[1:2] == [] or sys.argv[1] not in VERBS or sys.path[0] != os.getcwd():
        return
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing has begun that would have to be put in order
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            _ask(connection, path)
            accepted = connection.recv(1) == b"y"
        except (OSError, ValueError):
            accepted = False
        if accepted:
            _end_as_child(connection)
    signal.signal(signal.SIGINT, before)


def _ask(connection: socket.socket, path: str) -> None:
    """Send this process's job. OSError where no server listens or where the socket is not this user's own."""
    folder = os.lstat(os.path.dirname(path))
    if not stat.S_ISDIR(folder.st_mode) or folder.st_uid != os.getuid() or folder.st_mode & 0o077:
        raise OSError("not a private folder of this user")
    umask = os.umask(0o077)
    os.umask(umask)
    ignored = [int(number) for number in PASSED_ON if signal.getsignal(number) is signal.SIG_IGN]
    request = {
        "inherited": inherited(),
        "words": sys.argv[1:],
        "environment": dict(os.environ),
        "umask": umask,
        "ignored": ignored,
    }
    connection.settimeout(PATIENCE_S)
    connection.connect(path)
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if user != os.getuid():
        raise OSError("another user's server")
    socket.send_fds(connection, [b"f"], [0, 1, 2])
    connection.sendall(json.dumps(request).encode() + b"\n")


def _end_as_child(connection: socket.socket) -> NoReturn:
    """Pass signals on to the child until it has ended, then end in the same way."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(OSError):
            connection.send(bytes([number]))

    def pause(number: int, frame: FrameType | None) -> None:
        pass_on(signal.SIGSTOP, frame)  # SIGTSTP itself stops no process that has a session of its own
        os.kill(os.getpid(), signal.SIGSTOP)
        pass_on(signal.SIGCONT, frame)

    connection.settimeout(None)
    for number in PASSED_ON:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, pass_on)
    signal.signal(signal.SIGTSTP, pause)
    connection.send(b"g")
    answer = b""
    with contextlib.suppress(OSError):
        while len(answer) < 4 and (more := connection.recv(4)):
            answer += more
    # without an answer the keeper was killed, and its child with it
    code = os.waitstatus_to_exitcode(struct.unpack("i", answer)[0]) if len(answer) == 4 else -signal.SIGKILL
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))  # the child has one
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 128 - code)


def _serve(listening: socket.socket, own: str) -> dict[str, Any] | None:
    """Serve until the workflow ends: None. In a child: its job."""
    keepers: set[int] = set()
    poll = select.poll()
    poll.register(listening, select.POLLIN)
    poll.register(0)  # closed where the workflow has ended
    while not any(descriptor == 0 for descriptor, _ in poll.poll()):
        connection, _ = listening.accept()
        keepers -= {keeper for keeper in keepers if os.waitpid(keeper, os.WNOHANG)[0]}
        if keeper := os.fork():
            keepers.add(keeper)
            connection.close()
            continue
        listening.close()
        return _keep(connection, own)
    deadline = time.monotonic() + 1  # the last have told their jobs and are about to end: their time is to be counted
    while keepers and time.monotonic() < deadline:
        keepers -= {keeper for keeper in keepers if os.waitpid(keeper, os.WNOHANG)[0]}
        time.sleep(0.01)
    return None


def _keep(connection: socket.socket, own: str) -> dict[str, Any]:
    """Fork a child for one job, which returns that job, and wait for it: a keeper does not return."""
    try:
        _, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
        with connection.makefile("rb") as lines:
            job: dict[str, Any] = json.loads(lines.readline())
        if job["inherited"] != own:
            os._exit(0)
        keeper, (gate, opens) = os.getpid(), os.pipe()
        child = os.fork()
    except BaseException:
        os._exit(1)  # the job hears nothing more and runs in its own process
    if not child:
        connection.close()
        os.close(opens)
        os.read(gate, 1)  # until the job is ready to pass signals on
        os.close(gate)
        _become(job, descriptors, keeper)
        return job
    for descriptor in (gate, *descriptors):
        os.close(descriptor)
    ended, poll = os.pidfd_open(child), select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(connection, select.POLLIN)
    with contextlib.suppress(OSError):
        connection.sendall(b"y")
        connection.recv(1)
    os.close(opens)
    while not any(descriptor == ended for descriptor, _ in poll.poll()):
        numbers = b""
        with contextlib.suppress(OSError):
            numbers = connection.recv(1)
        if not numbers:  # the job was killed
            os.kill(child, signal.SIGKILL)
            break
        os.kill(child, numbers[0])
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):
        connection.sendall(struct.pack("i", status))
    os._exit(0)


def _become(job: dict[str, Any], descriptors: list[int], keeper: int) -> None:
    """Take over what is the job's own."""
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:
        os._exit(1)
    os.setsid()
    for descriptor, standard in zip(descriptors, (0, 1, 2), strict=True):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())  # type: ignore[union-attr]
    for number in job["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    os.umask(job["umask"])
    os.environ.clear()
    os.environ.update(job["environment"])
    del os.environ[VARIABLE]  # what this child starts is not forked in its turn
    tempfile.tempdir = None  # which TMPDIR decides
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()  # a process draws its own; torch begins with the same seed in all
    importlib.invalidate_caches()
    if "torch" in sys.modules:  # otherwise Triton's bindings report at the end what was never collected
        atexit.register(gc.unfreeze)
    sys.path.insert(0, os.getcwd())
    sys.argv[1:] = job["words"]


def _load(libraries: Iterable[str]) -> None:
    sys.modules[THREADED] = None  # type: ignore[assignment]
    for library in libraries:
        with contextlib.suppress(ImportError):
            importlib.import_module(library)
    del sys.modules[THREADED]


def _served(descriptor: int, folder: str, libraries: list[str]) -> bool:
    """Import the libraries and serve; whether this is a child."""
    own = inherited()
    listening = socket.socket(fileno=descriptor)
    _load(libraries)
    gc.collect()
    gc.freeze()  # what is there stays; children do not look through it
    threads = len(os.listdir("/proc/self/task"))
    job = _serve(listening, own) if threads == 1 else None  # a fork would lose the other threads and keep their locks
    if job is None:
        shutil.rmtree(folder, ignore_errors=True)
    return job is not None


if __name__ == "__main__" and _served(int(sys.argv[1]), sys.argv[2], sys.argv[3:]):
    import runpy

    runpy.run_module("hadaptive", run_name="__main__", alter_sys=True)
