"""A copy of the project in a temporary folder, in which the real Snakefile has run once on two models."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "params.yaml", "workflow", "hadaptive", "kernels", "profiles", "data/.gitignore")
TABLE = "paper_tables/table7.tex"
# the demo scale, smaller still: what is tested is the machine
SMALL = (
    "models=hadaptive_net_s,mobilenetv3_small_100 "
    "scales='{demo: {seeds: [0, 1], tasks: {cifar100: {recipe: {epochs: 2, image_size: 32, train_examples: 64}}}, "
    "latency: {runs: 3, warmup: 1}}}'"
)


@dataclass
class Project:
    """A project folder and how to run commands in it."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, command: str, ok: bool = True) -> str:
        """Run a shell command there; its output. With `ok` it must succeed, without it must fail."""
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self._env(),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert (done.returncode == 0) is ok, f"{command} exited {done.returncode}:\n{done.stdout[-6000:]}"
        return done.stdout

    def start(self, command: str) -> subprocess.Popen[str]:
        """Start a shell command there, in a process group of its own."""
        return subprocess.Popen(
            command,
            shell=True,
            cwd=self.folder,
            env=self._env(),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _env(self) -> dict[str, str]:
        tools = Path(sys.executable).parent
        # the copy's own packages, whatever the environment has installed
        paths = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(self.folder)}
        return {**os.environ, **paths, "HADAPTIVE_GPUS": "", **self.environment}

    def snakemake(self, words: str = TABLE, config: str = SMALL, ok: bool = True) -> str:
        return self.run(f"snakemake --cores 2 {words} --config {config}", ok)

    def planned(self, words: str = TABLE, config: str = SMALL) -> dict[str, int]:
        """Rule -> number of jobs that a dry run announces."""
        output = self.run(f"snakemake -n {words} --config {config}")
        if "Nothing to be done" in output:
            return {}
        table = output.split("Job stats:")[1].split("total")[0]
        return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.M)}

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new))


def copied(folder: Path) -> Project:
    for part in PARTS:
        source = ROOT / part
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, folder / part)  # with its bytecode, which each process would compile again
        else:
            shutil.copy(source, folder / part)
    return Project(folder)


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """A project in which nothing has run."""
    return copied(tmp_path / "fresh")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """A project in which Table 7 was made, once for all workers, and what Snakemake said."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "finished"
    with FileLock(f"{folder}.lock"):
        output = folder.with_suffix(".output")
        if not output.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
            output.write_text(copied(folder).snakemake())
        return Project(folder), output.read_text()


@pytest.fixture
def project(finished: tuple[Project, str], tmp_path: Path) -> Project:
    """A copy of the finished project, to change at will."""
    shutil.copytree(finished[0].folder, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")
