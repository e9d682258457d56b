"""Snakemake runs, DVC remembers: neither makes the other do anything again, here or in a clone."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.workflow.conftest import ROOT, SMALL, Project


@pytest.fixture(scope="module")
def recorded(finished: tuple[Project, str], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished project as a repository: all made by Snakemake, recorded by `dvc repro`, pushed to a local remote.

    What `dvc repro` said lies beside it.
    """
    folder = tmp_path_factory.mktemp("dvc") / "project"
    shutil.copytree(finished[0].folder, folder, symlinks=True)
    for part in ("dvc.yaml", ".dvcignore", ".gitignore", "results/.gitignore"):
        shutil.copy(ROOT / part, folder / part)
    shutil.copytree(ROOT / "results/reference", folder / "results/reference")
    project = Project(folder)
    small_params(project)
    who = "-c user.name=t -c user.email=t@t"
    project.run("git init -q . && dvc init -q && mkdir ../remote && dvc remote add -q -d local ../remote")
    shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots")
    project.run("dvc config plots.html_template ../results/plots.html")
    project.run("snakemake --cores 2")
    (folder.parent / "said").write_text(project.run("dvc repro"))
    project.run(f"git add -A && git {who} commit -qm recorded && dvc push -q")
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
    first, entry = next(iter(values["detection"].items()))
    values["detection"] = {first: entry}
    values["variants"] = {"dysoft": values["variants"]["dysoft"]}
    demo = values["scales"]["demo"]  # one family of tasks: how DVC and Snakemake get on does not depend on more
    demo["tasks"] = {"cifar100": demo["tasks"]["cifar100"]}
    demo["kernels"] = {"batches": [1], "channels": [4], "sizes": [4], "runs": 1}
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


def test_metrics_are_the_cells_of_a_table(recorded: Project) -> None:
    shown = json.loads(recorded.run("dvc metrics show --json results/demo/metrics/table7"))
    found = {Path(path).name: entry["data"] for path, entry in shown[""]["data"].items()}
    with (recorded.folder / "paper_tables/table7.csv").open() as file:
        ours = next(row for row in csv.DictReader(file) if row["model"] == "hadaptive_net_s")
    assert len(found) == 2
    line = found["hadaptive_net_s-dysoft.json"]
    assert line["params_m"] == float(ours["params_m"])
    assert line["cifar100_top1"] == pytest.approx(float(ours["cifar100_top1"]), abs=1e-4)


def test_metrics_and_plots_compare_with_what_was_recorded(recorded: Project) -> None:
    path = recorded.folder / "results/demo/metrics/table7/hadaptive_net_s-dysoft.json"
    before = json.loads(path.read_text())["params_m"]
    path.write_text(json.dumps({"params_m": before + 1}))
    try:
        said = recorded.run("dvc metrics diff")
    finally:
        recorded.run("dvc checkout -q -f results/demo")
    assert re.search(rf"hadaptive_net_s-dysoft\.json +params_m +{before:.5f} +\S+ +1\.0", said), said
    recorded.run("dvc plots show -o plots")
    page = (recorded.folder / "plots/index.html").read_text()
    assert "vegaEmbed" in page and not re.search(r"<(script|link)[^>]* (src|href)=", page), "needs no network"
    assert "cifar100/hadaptive_net_s/dysoft/seed1" in page and '"quantity": "test_top1"' in page


def test_what_snakemake_made_dvc_only_records(recorded: Project) -> None:
    said = (recorded.folder.parent / "said").read_text()
    assert said.count("Nothing to be done") == 3 and "rule train" not in said


def test_a_changed_parameter_is_shown(recorded: Project) -> None:
    recorded.edit("params.yaml", "epochs: 2", "epochs: 1")
    try:
        assert "modified" in recorded.run("dvc status")
        assert re.search(r"scales\.demo\.tasks\.cifar100\.recipe\.epochs +2 +1", recorded.run("dvc params diff"))
    finally:
        recorded.edit("params.yaml", "epochs: 1", "epochs: 2")


@pytest.mark.slow
def test_an_experiment_changes_one_setting_and_leaves_both_idle(recorded: Project) -> None:
    key = "scales.demo.tasks.cifar100.recipe"
    said = recorded.run(f"dvc exp run -n smaller -S {key}.train_examples=48")
    assert "rule train" in said and "rule data" not in said
    assert "Nothing to be done" in recorded.run("snakemake -n")
    assert "up to date" in recorded.run("dvc status")
    assert re.search(rf"{re.escape(key)}\.train_examples +64 +48", recorded.run("dvc params diff"))
    assert "smaller" in recorded.run("dvc exp list --all")
    recorded.run("git checkout -q params.yaml dvc.lock && dvc checkout -q")
    assert "Nothing to be done" in recorded.run("snakemake -n"), "back where it was, without a training"
