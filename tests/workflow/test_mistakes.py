"""What goes wrong gets one clear message and an exit code that is not 0, and loses nothing."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflow.conftest import SMALL, TABLE, Project


@pytest.mark.parametrize(
    ("words", "config", "said"),
    [
        (TABLE, "scale=dmeo", "unknown scale 'dmeo'. Did you mean 'demo'?"),
        (TABLE, "models=hadaptive_net_x", "unknown model 'hadaptive_net_x'. Did you mean 'hadaptive_net_s'?"),
        (TABLE, "sclae=cpu", "unknown key 'sclae'. Did you mean 'scale'?"),
        ("paper_tables/table77.tex", "scale=demo", "Did you mean 'paper_tables/table7.tex'?"),
        (
            "results/demo/cifar100/starnet_s1/bass/seed0/record.json",
            "scale=demo",
            "no rule makes results/demo/cifar100/starnet_s1/bass",
        ),
    ],
)
def test_unknown_names(fresh: Project, words: str, config: str, said: str) -> None:
    output = fresh.snakemake(words, config, ok=False)
    assert said in output and "Traceback" not in output and "WorkflowError" not in output


def test_a_wrong_key_in_params_names_its_line(fresh: Project) -> None:
    fresh.edit("params.yaml", "recipe: {epochs: 2,", "recipe: {epoch: 2,")
    number = next(
        n for n, line in enumerate((fresh.folder / "params.yaml").read_text().splitlines(), 1) if "epoch: 2" in line
    )
    output = fresh.snakemake(config="scale=demo", ok=False)
    assert (
        f"params.yaml:{number}: unknown key 'epoch' in scales.demo.tasks.cifar100.recipe. Did you mean 'epochs'?"
        in output
    )


def test_settings_are_data_and_run_no_code(fresh: Project) -> None:
    code = '__use_yte__: true\nx: ?open("ran", "w").write("x")\n'
    params = fresh.folder / "params.yaml"
    own = params.read_text()
    params.write_text(code + own)
    output = fresh.run("snakemake -n", ok=False)
    assert "params.yaml:1: __use_yte__ would run what stands in settings as code" in output
    assert "WorkflowError" not in output and not (fresh.folder / "ran").exists()
    params.write_text(own)
    (fresh.folder / "more.yaml").write_text("scale: cpu\n")
    output = fresh.run("snakemake -n --configfile more.yaml", ok=False)
    assert "--configfile is not taken" in output and "WorkflowError" not in output


def test_no_cores(fresh: Project) -> None:
    assert "--cores 0 runs nothing; give it at least one" in fresh.run(f"snakemake --cores 0 {TABLE}", ok=False)


def test_an_unknown_run_on_the_command_line(fresh: Project) -> None:
    output = fresh.run("python -m hadaptive train cifar100/starnet_s11/base/seed0", ok=False)
    assert "Did you mean 'cifar100/starnet_s1/base/seed0'" in output and "Traceback" not in output


def test_an_unknown_data_set_and_an_unknown_table_on_the_command_line(fresh: Project) -> None:
    assert "unknown data set 'digts'. Did you mean 'digits'?" in fresh.run("python -m hadaptive data digts", ok=False)
    assert "no table 'tabel7'. Did you mean 'table7'?" in fresh.run("python -m hadaptive render tabel7", ok=False)


def test_a_model_that_nobody_knows_stops_its_own_run_with_its_name(fresh: Project) -> None:
    fresh.edit("params.yaml", "ghostnet_100: {", "ghostnet_1000: {")
    output = fresh.snakemake("results/demo/cifar100/ghostnet_1000/base/seed0/record.json", "scale=demo", ok=False)
    assert "unknown model 'ghostnet_1000'" in output and "ghostnet_100" in output.replace("ghostnet_1000", "")


def test_images_too_small_for_a_net(fresh: Project) -> None:
    config = SMALL.replace("models=hadaptive_net_s", "models=hadaptive_net_l")
    output = fresh.snakemake("results/demo/cifar100/hadaptive_net_l/dysoft/seed0/record.json", config, ok=False)
    assert "hadaptive_net_l needs images of at least 64 px and the recipe says 32" in output


def test_a_damaged_local_copy_of_the_data(fresh: Project, tmp_path: Path) -> None:
    folder = tmp_path / "copies/cifar-100-binary"
    folder.mkdir(parents=True)
    (folder / "train.bin").write_bytes(b"short")
    (folder / "test.bin").write_bytes(b"short")
    fresh.environment["HADAPTIVE_DATA"] = str(folder.parent)
    output = fresh.snakemake("data/prepared/cifar100/manifest.json", "scale=cpu", ok=False)
    assert str(folder) in output and "Traceback" not in output
    # what takes hours says so first: the plan stands before the first job
    assert 0 < output.index("time in all") < output.index("rule data:")


def test_a_job_that_a_signal_ends_says_so_in_its_log_and_on_the_terminal(fresh: Project) -> None:
    fresh.edit(
        "hadaptive/cli/make.py",
        "def _export(a: argparse.Namespace) -> None:\n",
        "def _export(a: argparse.Namespace) -> None:\n"
        "    import signal\n"
        "    os.kill(os.getpid(), signal.SIGSEGV if 'mobilenetv3' in a.measure else signal.SIGKILL)\n",
    )
    ends = {"hadaptive_net_s/dysoft": "SIGKILL (Killed)", "mobilenetv3_small_100/base": "SIGSEGV (Segmentation fault)"}
    output = fresh.snakemake(" ".join(f"results/demo/complexity/{name}/record.json" for name in ends), ok=False)
    for name, ended_by in ends.items():
        message = f"hadaptive: export complexity/{name} was ended by {ended_by}."
        assert message in (fresh.folder / f"logs/demo/export/{name}.log").read_text() and message in output
    assert "run fewer jobs at once" in output and "ONEDNN_MAX_CPU_ISA=AVX" in output
    assert "make.py" in output and "in _export" in output, "where the native fault was"


def running(project: Project, log: str, words: str) -> bool:
    path = project.folder / log
    return path.exists() and words in path.read_text()


LONG = (
    SMALL.replace("epochs: 2", "epochs: 20")
    .replace("seeds: [0, 1]", "seeds: [0]")
    .replace("models=hadaptive_net_s,", "models=")
)
RUN = "cifar100/mobilenetv3_small_100/base/seed0"
LOG = f"logs/demo/{RUN}.log"


@contextlib.contextmanager
def started(project: Project, config: str) -> Iterator[subprocess.Popen[str]]:
    """Snakemake at work on a long training, somewhere after its second epoch; killed with all its jobs at the end."""
    process = project.start(f"exec snakemake --cores 1 results/demo/{RUN}/record.json --config {config}")
    try:
        while not running(project, LOG, "epoch 2/"):
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.1)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_second_run_while_the_first_works_is_refused_and_harms_nothing(fresh: Project) -> None:
    endless = LONG.replace("epochs: 20", "epochs: 6000")
    with started(fresh, endless) as first:
        output = fresh.snakemake(f"results/demo/{RUN}/record.json", endless, ok=False)
        assert "cannot be locked" in output and str(fresh.folder) in output
        assert first.poll() is None


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_snakemake_alone_ends_its_training_at_once_and_saved(fresh: Project, sent: signal.Signals) -> None:
    endless = LONG.replace("epochs: 20", "epochs: 100_000")
    with started(fresh, endless) as process:
        process.send_signal(sent)
        assert process.stdout is not None
        output = process.stdout.read()
        assert process.wait() == 1
    assert "Traceback" not in output
    assert "which is saved; run the same command again to resume" in (fresh.folder / LOG).read_text()


def test_a_killed_run_goes_on_where_it_was(fresh: Project) -> None:
    run = f"results/demo/{RUN}/record.json"
    with started(fresh, LONG) as process:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    output = fresh.snakemake(run, LONG, ok=False)
    assert "cannot be locked" in output and "--unlock" in output
    fresh.snakemake("--unlock", LONG)
    fresh.snakemake(run, LONG)
    assert "resumed after epoch" in (fresh.folder / LOG).read_text()
    assert len(json.loads((fresh.folder / run).read_text())["curve"]) == 20


def mounted(options: str, folder: Path) -> None:
    done = subprocess.run(f"mount {options} {folder}", shell=True, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small disk here: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted("-t tmpfs -o size=9m none", folder)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_named_and_more_room_lets_it_go_on(fresh: Project, small_disk: Path) -> None:
    (fresh.folder / "work").symlink_to(small_disk)
    run = f"results/demo/{RUN}/record.json"
    output = fresh.snakemake(run, LONG.replace("epochs: 20", "epochs: 3"), ok=False)
    assert "the disk is full; free some space and run the same command again; nothing is lost" in output
    assert "Traceback" not in output
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    fresh.snakemake(run, LONG.replace("epochs: 20", "epochs: 3"))
    assert json.loads((fresh.folder / run).read_text())["status"] == "done"


def test_a_read_only_disk_is_named(fresh: Project, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    shutil.rmtree(fresh.folder / "results", ignore_errors=True)
    (fresh.folder / "data/prepared").mkdir()
    (fresh.folder / "data/prepared/digits").symlink_to(small_disk)
    output = fresh.run("python -m hadaptive data digits", ok=False)
    assert "read-only" in output and "Traceback" not in output
