"""The main job, end to end, through the real Snakefile: what it makes, and what a change makes again."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from hadaptive.units import duration
from tests.workflow.conftest import ROOT, SMALL, TABLE, Project


def rows(project: Project, name: str = "table7") -> dict[str, dict[str, str]]:
    with (project.folder / f"paper_tables/{name}.csv").open() as file:
        return {row["model"]: row for row in csv.DictReader(file)}


def test_every_cell_is_a_measurement_or_a_reason(finished: tuple[Project, str]) -> None:
    project, _ = finished
    table = rows(project)
    zoo = yaml.safe_load((ROOT / "params.yaml").read_text())["zoo"]
    assert set(table) == {model for model, entry in zoo.items() if "group" in entry}
    ours = table["hadaptive_net_s"]
    records = [
        json.loads(path.read_text())
        for path in sorted(project.folder.glob("results/demo/cifar100/hadaptive_net_s/dysoft/*/record.json"))
    ]
    assert [record["run"]["seed"] for record in records] == [0, 1]
    mean = sum(record["metrics"]["top1_last"] for record in records) / 2
    assert abs(float(ours["cifar100_top1"]) - mean) < 1e-6 and ours["cifar100_top1_n"] == "2"
    assert float(ours["params_m"]) == 2.102632
    latency = json.loads((project.folder / "results/demo/latency/hadaptive_net_s/dysoft/record.json").read_text())
    assert abs(float(ours["latency_cpu_ms"]) - latency["metrics"]["cpu"]["median_ms"]) < 1e-6
    assert ours["latency_gpu_ms"] == "" and "CUDA" in ours["latency_gpu_ms_reason"]
    other = table["starnet_s4"]
    assert other["cifar100_top1"] == "" and other["cifar100_top1_reason"] == "not selected in this run"
    assert "demo" in other["imagenet1k_top1_reason"]


def test_all_files_are_there_and_say_they_are_a_demonstration(finished: tuple[Project, str]) -> None:
    project, output = finished
    for name in ("table7", "table7_compare"):
        for ending in ("tex", "md"):
            text = (project.folder / f"paper_tables/{name}.{ending}").read_text()
            assert "demonstration" in text.lower() and "Hadaptive-Net-L" in text
    assert "paper_tables/table7.tex" in output and "--config scale=cpu" in output, "the closing message"
    for run in project.folder.glob("results/demo/cifar100/*/*/*"):
        assert {p.name for p in run.iterdir()} == {"record.json", "last.pt", "best.pt"}


def test_nothing_runs_twice(project: Project) -> None:
    assert project.planned() == {}


def test_a_template_re_renders_and_trains_nothing(project: Project) -> None:
    template = project.folder / "hadaptive/paper/tables/templates/table.tex.j2"
    template.write_text("% another look\n" + template.read_text())
    assert project.planned() == {"table": 1}


def test_a_comment_changes_nothing(project: Project) -> None:
    loop = project.folder / "hadaptive/train/loop.py"
    loop.write_text("# a remark\n" + loop.read_text())
    assert project.planned() == {}


def test_the_trainer_s_code_retrains_all(project: Project) -> None:
    project.edit("hadaptive/train/schedule.py", "(peak - floor) * 0.5", "peak * 0.4")
    assert project.planned() == {"train": 4, "table": 1}


def test_ach_s_code_retrains_ours_alone(project: Project) -> None:
    project.edit("hadaptive/nn/norms.py", "0.5", "0.6")
    assert project.planned() == {"export": 1, "latency": 1, "train": 2, "table": 1}


def test_a_recipe_a_seed_a_model(project: Project) -> None:
    assert project.planned(config=SMALL.replace("seeds: [0, 1]", "seeds: [0, 1, 2]")) == {"train": 2, "table": 1}
    assert project.planned(config=SMALL.replace("epochs: 2", "epochs: 3")) == {"train": 4, "table": 1}
    more = project.planned(config=SMALL.replace("models=", "models=starnet_s1,"))
    assert more == {"export": 1, "latency": 1, "train": 2, "table": 1}


def test_another_scale_s_table_is_made_again_even_where_snakemake_forgot_it(project: Project) -> None:
    other = SMALL.replace("{demo:", "{demo2: {stand_in: true,").replace("{stand_in: true, {", "{stand_in: true, ")
    other = f"scale=demo2 {other.replace('cifar100: {recipe', 'cifar100: {dataset: digits, recipe')}"
    shutil.copytree(project.folder / "results/demo", project.folder / "results/demo2")
    shutil.rmtree(project.folder / ".snakemake/metadata")
    assert project.planned() == {}
    assert project.planned(config=other) == {"table": 1}


def test_a_plan_is_made_from_past_records(project: Project) -> None:
    said = project.run(
        "python -m hadaptive plan paper_tables/table7.tex --at-once 1 --config "
        + SMALL.replace("epochs: 2", "epochs: 4")
    )
    records = [json.loads(path.read_text()) for path in project.folder.glob("results/demo/cifar100/*/*/*/record.json")]
    trains = next(line for line in said.splitlines() if line.startswith("train (cifar100)"))
    twice = duration(2 * sum(record["wall_s"] for record in records))
    assert re.match(rf"train \(cifar100\) +4 +{re.escape(twice)} +- +\S+ [MG]B +\S+ [MG]B$", trains), said
    assert "4 trainings from the same model" in said
    assert "\n1 rendering, seconds\n" in said


def test_lost_outputs_cost_a_copy_not_a_training(project: Project) -> None:
    record = project.folder / "results/demo/cifar100/hadaptive_net_s/dysoft/seed1/record.json"
    before = record.read_bytes()
    record.unlink()
    project.snakemake(str(record.relative_to(project.folder)))
    assert record.read_bytes() == before
    assert "finished before" in (project.folder / "logs/demo/cifar100/hadaptive_net_s/dysoft/seed1.log").read_text()


def test_a_dry_run_in_a_fresh_folder_without_a_home_plans_shared_work_once(fresh: Project) -> None:
    fresh.environment |= {"HOME": "/dev/null/missing", "XDG_CACHE_HOME": ""}
    assert fresh.planned() == {"data": 1, "export": 2, "latency": 2, "train": 4, "table": 1}
    assert not (fresh.folder / "results").exists() and Path(fresh.folder / "params.yaml").exists()


def test_a_dry_run_at_another_scale_changes_nothing(project: Project) -> None:
    def files() -> dict[str, float]:
        own = ("/.snakemake/log/", "/.snakemake/iocache/", "/__pycache__/")  # Snakemake's and Python's
        paths = [str(path) for path in project.folder.glob("**/*") if path.is_file()]
        return {path: Path(path).stat().st_mtime for path in paths if not any(part in path for part in own)}

    before = files()
    planned = project.planned(config="scale=cpu")
    assert planned == {"table": 1, "export": 19} and files() == before and project.planned() == {}
    stamp = project.folder / ".snakemake/scale"
    shutil.rmtree(stamp.parent)
    assert project.planned() == {"table": 1} and not stamp.exists(), "of which scale the table is cannot be determined"


@pytest.mark.slow
def test_a_zoo_of_800_models_renders(fresh: Project) -> None:
    """The table's description is longer then than one argument of a command may be (128 KiB)."""
    shutil.copytree(ROOT / "results/reference", fresh.folder / "results/reference")
    more = "".join(f"  resnet18_{n}: {{label: ResNet-{n}, cite: made up, group: 3}}\n" for n in range(800))
    fresh.edit("params.yaml", "\nzoo:\n", f"\nzoo:\n{more}")
    for n in range(800):  # a damaged record of each, or all 800 would be counted
        record = fresh.folder / f"results/cpu/complexity/resnet18_{n}/base/record.json"
        record.parent.mkdir(parents=True)
        record.write_text("{}")
    fresh.snakemake(config="scale=cpu")
    assert (fresh.folder / TABLE).read_text().count("ResNet-") == 800
    assert max(path.stat().st_size for path in (fresh.folder / ".snakemake/specs").iterdir()) > 128 * 1024


def test_a_preloaded_training_and_one_in_a_process_of_its_own_are_equal_bit_for_bit(project: Project) -> None:
    run = "results/demo/cifar100/hadaptive_net_s/dysoft/seed0"
    before = [(project.folder / run / name).read_bytes() for name in ("last.pt", "best.pt")]
    shutil.rmtree(project.folder / "results/demo/cifar100")
    shutil.rmtree(project.folder / "work")
    project.environment["HADAPTIVE_PRELOAD"] = ""
    project.snakemake(f"{run}/record.json")
    assert "finished before" not in (project.folder / f"logs/{run.removeprefix('results/')}.log").read_text()
    assert [(project.folder / run / name).read_bytes() for name in ("last.pt", "best.pt")] == before


def test_jobs_are_forked_where_torch_is_loaded_already(fresh: Project) -> None:
    main = "    arguments = _parser().parse_args(words)\n"
    fresh.edit("hadaptive/cli/__init__.py", main, f"{main}    raise SystemExit(f'{{\"timm\" in sys.modules}}')\n")
    fresh.environment["OMP_NUM_THREADS"] = "2"  # of the shell; a job gets the threads of its rule
    fresh.snakemake(ok=False)
    logs = [path.read_text() for path in fresh.folder.glob("logs/demo/export/*/*.log")]
    assert logs == ["True\n", "True\n"]
    assert (fresh.folder / "logs/data/digits.log").read_text() == "False\n", "no torch where none is needed"


@pytest.mark.slow
def test_snakemakes_report_has_every_file_with_its_caption(project: Project) -> None:
    project.run(f"snakemake --report report.html {TABLE} --config {SMALL}")
    page = (project.folder / "report.html").read_text()
    for name in ("table7.csv", "table7_compare.tex", "beside the values that the", "Tables", "runtime"):
        assert name in page, name


@pytest.mark.slow
def test_a_trained_model_is_published_on_request(project: Project) -> None:
    run = "results/demo/cifar100/hadaptive_net_s/dysoft/seed0"
    assert project.planned(f"{run}/hub/config.json") == {"publish": 1}, "nothing is trained again"
    project.snakemake(f"{run}/hub/config.json")
    made = {path.name for path in (project.folder / run / "hub").iterdir()}
    assert made == {"model.safetensors", "config.json", "README.md"}
    assert project.planned() == {}, "the table has nothing to do with it"
