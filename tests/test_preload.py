"""Jobs that are forked from a preloaded process: to everyone outside they are the process that was started."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hadaptive import preload

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")

LIBRARY = "wave"  # quickly imported, and by nobody else
FORKED = f"import sys; print({LIBRARY!r} in sys.modules)"
WORKFLOW = """
import os, sys
from hadaptive import preload
preload.start([{library!r}])
print(os.environ.get(preload.VARIABLE, ""), flush=True)
sys.stdin.read()
"""
READY = "print('ready', flush=True); "
FOREVER = "import time; any(map(time.sleep, iter(lambda: 0.05, 1)))"
LIMIT_S = 300.0  # for what takes a moment, on a machine however busy


class Workflow:
    """A process that starts a server, in a folder with a `hadaptive` whose verbs execute their argument."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        package = folder / "hadaptive"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "cli.py").write_text("import sys\n\ndef main():\n    exec(sys.argv[2])\n    return 0\n")
        for name in ("__main__.py", "preload.py"):
            shutil.copy(Path(preload.__file__).with_name(name), package)
        self.variables = {name: value for name, value in os.environ.items() if name != preload.VARIABLE}
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKFLOW.format(library=LIBRARY)],
            cwd=folder,
            env=self.variables | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.socket = self.process.stdout.readline().strip()

    def job(self, code: str, *, cwd: Path | None = None, umask: int = -1, **variables: str) -> subprocess.Popen[str]:
        one_thread = {f"{name}_NUM_THREADS": "1" for name in preload.THREADS} | {"VECLIB_MAXIMUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "hadaptive", "train", code],
            cwd=cwd or self.folder,
            env=self.variables | one_thread | {preload.VARIABLE: self.socket} | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            umask=umask,
            preexec_fn=answers_ctrl_c,
        )

    def output(self, code: str, **options: str) -> str:
        """What a job prints, which must succeed without a message."""
        job = self.job(code, **options)  # type: ignore[arg-type]
        output, errors = job.communicate(timeout=LIMIT_S)
        assert job.returncode == 0 and errors == "", errors
        return output.strip()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def workflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workflow]:
    workflow = Workflow(tmp_path_factory.mktemp("preload"))
    assert workflow.socket
    yield workflow
    workflow.end()


def answers_ctrl_c() -> None:
    """As in a terminal, also where the tests run in the background of a script, whose children ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ready(job: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert job.stdout and job.stdout.readline() == "ready\n"
    return job


def until_gone(path: Path) -> None:
    deadline = time.monotonic() + LIMIT_S
    while path.exists():
        assert time.monotonic() < deadline, f"{path} is still there"
        time.sleep(0.05)


def test_a_job_is_forked_and_its_exit_code_is_its_own(workflow: Workflow) -> None:
    assert workflow.output(FORKED) == "True"
    for code, expected in (("sys.exit(3)", 3), ("sys.exit('no such Run')", 1), ("1 / 0", 1), ("os._exit(137)", 137)):
        job = workflow.job(f"import os; {FORKED}; sys.stdout.flush(); {code}")
        output, errors = job.communicate(timeout=LIMIT_S)
        assert (job.returncode, output) == (expected, "True\n")
        assert ("no such Run" in errors, "ZeroDivisionError" in errors) == ("such" in code, "1 / 0" in code)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT, signal.SIGTERM])
def test_a_job_that_dies_by_a_signal_dies_by_it(workflow: Workflow, number: int) -> None:
    job = workflow.job(f"{FORKED}; sys.stdout.flush(); import os; os.kill(os.getpid(), {number})")
    said, complained = job.communicate(timeout=LIMIT_S)
    assert said == "True\n"
    # a fault leaves the child's traceback, once: the job that only passes the signal on has none of its own
    faults = signal.SIGSEGV, signal.SIGABRT
    assert complained.count("Fatal Python error") == (number in faults) == complained.count("Current thread")
    assert job.returncode == -number


def test_a_job_has_its_own_environment_streams_and_mask(workflow: Workflow) -> None:
    job = workflow.job(
        f"{FORKED}; import os, tempfile;"
        "print(input(), os.environ['HADAPTIVE_GPUS'], os.environ['TMPDIR'], os.getcwd());"
        f"print(tempfile.gettempdir(), {preload.VARIABLE!r} in os.environ, f'{{os.umask(0):o}}', sys.argv[1:2]);"
        "print('to stderr', file=sys.stderr)",
        umask=0o027,
        HADAPTIVE_GPUS="7",
        TMPDIR=str(workflow.folder),
    )
    output, errors = job.communicate("from stdin\n", timeout=LIMIT_S)
    folder = workflow.folder
    assert output == f"True\nfrom stdin 7 {folder} {folder}\n{folder} False 27 ['train']\n"
    assert errors == "to stderr\n" and job.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signals_are_passed_on(workflow: Workflow, number: int) -> None:
    code = f"import signal, sys; signal.signal({number}, lambda *_: sys.exit(7)); {READY} {FOREVER}"
    job = ready(workflow.job(code))
    job.send_signal(number)
    job.communicate(timeout=LIMIT_S)
    assert job.returncode == 7


def test_a_job_that_is_killed_takes_its_child_with_it(workflow: Workflow) -> None:
    job = ready(workflow.job(f"{READY} {FOREVER}"))
    job.kill()
    assert job.communicate(timeout=LIMIT_S) == ("", ""), "the child held the other ends of these pipes"


def test_the_server_ends_with_its_workflow_and_jobs_go_on(tmp_path: Path) -> None:
    workflow = Workflow(tmp_path)
    job = ready(workflow.job(f"{READY} print(input()); {FORKED}"))
    workflow.end()
    until_gone(Path(workflow.socket).parent)
    assert job.communicate("go on\n", timeout=LIMIT_S) == ("go on\nTrue\n", "")
    assert job.returncode == 0
    assert workflow.output(FORKED) == "False", "without a server a job runs by itself"


def test_a_finished_workflow_leaves_nothing(tmp_path: Path) -> None:
    workflow = Workflow(tmp_path)
    assert workflow.output(FORKED) == "True"
    workflow.process.communicate("", timeout=LIMIT_S)
    assert workflow.process.returncode == 0 and not Path(workflow.socket).parent.exists()


def test_the_project_s_code_is_read_by_each_job(workflow: Workflow) -> None:
    module = workflow.folder / "hadaptive/edited.py"
    for word in ("one", "three"):
        module.write_text(f"WORD = {word!r}\n")
        assert workflow.output(f"{FORKED}; from hadaptive.edited import WORD; print(WORD)") == f"True\n{word}"


@pytest.mark.parametrize("variable", ["OMP_NUM_THREADS", "ONEDNN_MAX_CPU_ISA", "CUDA_VISIBLE_DEVICES", "PYTHONPATH"])
def test_another_environment_is_not_forked(workflow: Workflow, variable: str) -> None:
    job = f"{FORKED}; import os; print(os.environ[{variable!r}])"
    assert workflow.output(job, **{variable: "another"}) == "False\nanother"


def test_a_prompt_which_shells_drop_keeps_no_job_from_being_forked(workflow: Workflow) -> None:
    assert workflow.output(FORKED, PS1="(hadaptive) $ ") == "True"


def test_another_folder_or_verb_is_not_forked(workflow: Workflow, tmp_path: Path) -> None:
    shutil.copytree(workflow.folder / "hadaptive", tmp_path / "hadaptive")
    assert workflow.output(FORKED, cwd=tmp_path) == "False"  # type: ignore[arg-type]
    assert not {"latency", "measure"} & set(preload.VERBS), "what they time must run without torch"


def test_what_runs_once_preloads_nothing() -> None:
    assert preload.libraries(["train", "render", "render", "claims", "claims"]) == list(preload.TABLES)
    assert preload.libraries(["train", "render", "figure", "data"]) == []


def test_tables_can_be_forked_although_pyarrow_starts_a_thread() -> None:
    threads = "len(os.listdir('/proc/self/task'))"
    code = (
        f"import os, sys; from hadaptive import preload; preload._load(preload.TABLES); print({threads});"
        f"print('pandas' in sys.modules); import pyarrow; print({threads})"
    )
    one_thread = {f"{name}_NUM_THREADS": "1" for name in preload.THREADS}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=os.environ | one_thread, capture_output=True, text=True, check=True)
    loaded, pandas, with_pyarrow = done.stdout.split()
    assert (loaded, pandas) == ("1", "True")
    assert int(with_pyarrow) > 1, "then THREADED is needed no longer"


def test_draws_of_two_jobs_differ(workflow: Workflow) -> None:
    draw = "import random, numpy; print(random.random(), numpy.random.random())"
    (one, two), (three, four) = (workflow.output(draw).split() for _ in range(2))
    assert one != three and two != four


def test_a_planted_socket_is_refused(workflow: Workflow, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(Path(workflow.socket).parent)
    assert workflow.output(FORKED, **{preload.VARIABLE: f"{link}/socket"}) == "False"
    opened = tmp_path / "opened"
    opened.mkdir()
    opened.chmod(0o755)
    os.link(workflow.socket, opened / "socket")
    assert workflow.output(FORKED, **{preload.VARIABLE: f"{opened}/socket"}) == "False"
    opened.chmod(0o700)
    assert workflow.output(FORKED, **{preload.VARIABLE: f"{opened}/socket"}) == "True", (
        "it was the mode that it refused"
    )


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    workflow = Workflow(tmp_path, **{preload.VARIABLE: ""})
    assert workflow.socket == ""
    assert workflow.output(FORKED) == "False"
    workflow.end()
