"""Snakemake runs, DVC remembers: neither makes the other do anything again, here or in a clone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.workflow.conftest import ROOT, SMALL, Project


@pytest.fixture(scope="module")
def recorded(finished: tuple[Project, str], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished project as a repository, recorded by `dvc repro` and pushed to a local remote."""
    folder = tmp_path_factory.mktemp("dvc") / "project"
    shutil.copytree(finished[0].folder, folder, symlinks=True)
    for part in ("dvc.yaml", ".dvcignore", ".gitignore", "results/.gitignore"):
        shutil.copy(ROOT / part, folder / part)
    project = Project(folder)
    small_params(project)
    who = "-c user.name=t -c user.email=t@t"
    project.run("git init -q . && dvc init -q && mkdir ../remote && dvc remote add -q -d local ../remote")
    shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots")
    project.run(f"dvc repro -q && git add -A && git {who} commit -qm recorded && dvc push -q")
    return project


def small_params(project: Project) -> None:
    """Write what SMALL gives on the command line into params.yaml, where DVC reads it."""
    import yaml

    path = project.folder / "params.yaml"
    values = yaml.safe_load(path.read_text())
    models, scales = (part.split("=", 1)[1] for part in SMALL.split(" ", 1))
    for name, change in yaml.safe_load(scales.strip("'")).items():
        _merge(values["scales"][name], change)
    values["models"] = models.split(",")
    values["variants"] = {"dysoft": values["variants"]["dysoft"]}
    path.write_text(yaml.safe_dump(values, sort_keys=False))


def _merge(into: dict[str, object], change: dict[str, object]) -> None:
    for key, value in change.items():
        old = into.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            _merge(old, value)
        else:
            into[key] = value


def test_after_dvc_repro_both_are_idle(recorded: Project) -> None:
    assert "up to date" in recorded.run("dvc status")
    assert "Nothing to be done" in recorded.run("snakemake -n")


def test_a_clone_pulls_and_is_idle(recorded: Project, tmp_path: Path) -> None:
    recorded.run(f"git clone -q . {tmp_path}/clone")
    clone = Project(tmp_path / "clone")
    clone.run(f"dvc remote modify local url {recorded.folder.parent / 'remote'} && dvc pull -q")
    assert "Nothing to be done" in clone.run("snakemake -n")
    assert "up to date" in clone.run("dvc status")


def test_what_snakemake_made_dvc_only_records(recorded: Project) -> None:
    recorded.edit("params.yaml", "epochs: 2", "epochs: 1")
    recorded.run("snakemake --cores 2")
    assert "modified" in recorded.run("dvc status")
    said = recorded.run("dvc repro")
    assert said.count("Nothing to be done") == 3 and "rule train" not in said
    assert "up to date" in recorded.run("dvc status")
