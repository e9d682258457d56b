"""Reference records: taken with exactly the settings asked for, and never with others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hadaptive import config, record
from hadaptive.paper.cells import Cell
from hadaptive.paper.spec import record_path, records_needed
from hadaptive.paper.tables import frames_of
from hadaptive.study import Study, reference
from tests.records import put

ROOT = Path(__file__).resolve().parent.parent
VALUES = yaml.safe_load((ROOT / "params.yaml").read_text())


def study(**changes: Any) -> Study:
    return Study(config.check({**VALUES, **changes}))


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose reference holds a training and a latency of MobileNetV3-S at scale demo."""
    monkeypatch.chdir(tmp_path)
    given = study()
    training = given.runs["cifar100/mobilenetv3_small_100/base/seed0"]
    latency = given.measures["latency/mobilenetv3_small_100/base"]
    root = tmp_path / "results/reference/demo"
    record.write(root / training.id / "record.json", record.envelope(training, {}))
    record.write(root / latency.id / "record.json", record.envelope(latency, {}))
    return root


def taken(given: Study) -> list[str]:
    spec = given.tables["table7"]
    paths = [path.as_posix() for path in records_needed(spec) if path.is_relative_to("results/reference")]
    assert [f"results/reference/demo/{each}/record.json" for each in spec.reference] == paths
    return list(spec.reference)


def test_records_with_the_settings_asked_for_are_taken_and_said(kept: Path) -> None:
    given = study()
    assert taken(given) == ["latency/mobilenetv3_small_100/base", "cifar100/mobilenetv3_small_100/base/seed0"]
    assert "; 2 of 57 records are reference records" in given.tables["table7"].about
    assert given.tables["table8"].reference == ()


def test_a_figure_of_a_table_reads_the_same_records(kept: Path) -> None:
    given = study()
    table, figure = given.tables["table7"], given.figures["figure1"]
    assert figure.table is not None and figure.table.reference == table.reference == figure.reference
    assert records_needed(figure) == records_needed(figure.table) == records_needed(table)


def test_with_other_settings_a_run_is_run(kept: Path) -> None:
    scales = json.loads(json.dumps(VALUES["scales"]))
    scales["demo"]["tasks"]["cifar100"]["recipe"]["epochs"] = 4
    assert taken(study(scales=scales)) == ["latency/mobilenetv3_small_100/base"]
    scales["demo"]["latency"]["runs"] = 101
    assert taken(study(scales=scales)) == []
    assert taken(study(scale="cpu", models=["mobilenetv3_small_100"])) == []


def test_never_runs_everything(kept: Path) -> None:
    assert taken(study(reference="never")) == []


def test_only_asks_for_no_other_record(kept: Path) -> None:
    given = study(reference="only")
    table, figure = given.tables["table7"], given.figures["figure7"]
    assert len(taken(given)) == 2
    here = {each.split("/")[2] for each in given.records if not each.startswith("results/reference/")}
    assert here == {"complexity", "structure", "expansions", "detectors", "text_models"}, (
        "counts need no data, so they are always measured"
    )
    assert "; 2 of 57 records are reference records, the rest was not run" in table.about
    assert records_needed(figure) == []
    assert "; 0 of 1 records are reference records, the rest was not run" in figure.about
    assert given.manifests == []


def test_what_had_no_device_is_no_reference_record(kept: Path) -> None:
    given = study()
    measure = given.measures["kernels/table4"]
    record.write(kept / measure.id / "record.json", record.envelope(measure, {}, status="no CUDA device"))
    shown = study(reference="only").tables["table4"]
    assert shown.reference == (measure.id,), "its cells say that there was no device"
    assert "; 0 of 1 records are reference records" in shown.about
    assert study(reference="first").tables["table4"].reference == (), "measured where measurements are asked for"


def test_only_reads_no_other_record(kept: Path) -> None:
    given, training = study(reference="only"), "cifar100/starnet_s1/base/seed0"
    spec = given.tables["table7"]
    put(Path("results"), {"id": training, "scale": "demo"})
    assert record_path(spec, training, Path("results")).is_relative_to("results/reference")


def test_a_found_net_is_taken_with_its_search_alone(kept: Path) -> None:
    given = study()
    net = given.runs["cifar100/hadaptive_net_found/table3/seed0"]
    made = net.model_copy(update={"options": {**net.options, "rows": [["what was found"]]}})
    record.write(kept / net.id / "record.json", record.envelope(made, {}))
    needs = {net.id, *net.options["found_by"]}
    assert not needs & set(given.tables["found"].reference)
    for each in net.options["found_by"]:
        search = given.runs[each]
        record.write(kept / each / "record.json", record.envelope(search, {}, status="diverged at epoch 1"))
    assert net.id in study().tables["found"].reference


def test_a_damaged_reference_record_empties_its_cells_alone(kept: Path) -> None:
    path = kept / "latency/mobilenetv3_small_100/base/record.json"
    path.write_text("{")
    given = study()
    assert taken(given) == ["latency/mobilenetv3_small_100/base", "cifar100/mobilenetv3_small_100/base/seed0"]
    spec = given.tables["table7"]
    frame, _ = frames_of(spec, Path("results"))
    row = next(n for n, row in enumerate(spec.rows) if row.model == "mobilenetv3_small_100")
    assert frame.cells["latency_cpu_ms"][row] == Cell.empty("record damaged")
    assert frame.cells["cifar100_top1"][row] == Cell.empty("not recorded")


def test_seeds_of_a_model_stand_in_the_place_of_the_scales() -> None:
    scales = json.loads(json.dumps(VALUES["scales"]))
    scales["demo"]["seeds_of"] = {"starnet_s1": [3, 4]}
    given = study(scales=scales)
    asked = {run.seed for run in given.runs.values() if run.model == "starnet_s1"}
    assert asked == {3, 4}
    made = {str(run.folder / "record.json") for run in given.runs.values()}
    needed = {str(path) for path in records_needed(given.tables["table7"]) if "seed" in str(path)}
    assert needed < made


def test_kept_are_the_records_with_these_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = study()
    same, other = (given.measures[f"latency/{name}/base"] for name in ("starnet_s1", "starnet_s2"))
    record.write(same.folder / "record.json", record.envelope(same, {}, status="no CUDA device"))
    changed = other.model_copy(update={"settings": {"runs": 1}})
    record.write(other.folder / "record.json", record.envelope(changed, {}, status="no CUDA device"))
    (path,) = reference.keep(given.params, given.executed)
    assert path == Path("results/reference/demo", same.id, "record.json")
    assert path.read_bytes() == (same.folder / "record.json").read_bytes()
    assert reference.usable(given.params, given.executed) == {same.id}
