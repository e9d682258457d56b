"""Table 6, claim 7 and the picture of detections, from records."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hadaptive import config
from hadaptive.paper.claims.findings import NOT_RUN, UNDECIDED
from hadaptive.paper.claims.statements import judge
from hadaptive.paper.figures import render_figure
from hadaptive.paper.figures.figure_detections import _free, shown
from hadaptive.paper.published import published
from hadaptive.paper.spec import FigureSpec, record_ids
from hadaptive.paper.tables.table6 import frames
from hadaptive.record.trainings import Sample
from hadaptive.study import Study

ROOT = Path(__file__).resolve().parents[2]
STUDY = Study(config.load(ROOT / "params.yaml"))
SPEC = STUDY.tables["table6"]


def real(spec: Any) -> Any:
    source = spec.sources["coco"].model_copy(update={"stand_in": None, "absent": None})
    return spec.model_copy(update={"sources": {**spec.sources, "coco": source}, "demonstration": False})


@pytest.fixture
def trained(write: Any, tmp_path: Path) -> Path:
    """Records with the paper's numbers in the place of measured ones, so that every difference is zero."""
    for row in SPEC.rows:
        printed = published("table6")[row.label]
        (record_id,) = record_ids(SPEC, row, "coco")
        metrics = {"map_last": float(printed["map_50_95"]), "miou_last": float(printed["miou"]),
                   "map_50_last": 40.0,
                   "map_75_last": 20.0, "matched_last": 1000, "map_best_on_test": 25.0, "train_map_last": 30.0,
                   "train_miou_last": 75.0}  # fmt: skip
        write(tmp_path, {
            "schema": 1, "id": record_id, "scale": SPEC.scale, "status": "done", "metrics": metrics,
            "run": {"recipe": {"image_size": 320}}, "data": {"train_examples": 118_287, "test_examples": 5000},
        })  # fmt: skip
    counts = {"parameters": 9_000_000, "macs": 9, "macs_training_form": 10**9, "parameters_backbone": 10**6}
    models = {row.model: {row.variant: counts} for row in SPEC.rows}
    settings = {"num_classes": 80, "image_size": 320}
    write(tmp_path, {
        "schema": 1, "id": "detectors", "kind": "detectors", "scale": SPEC.scale, "status": "done",
        "settings": settings, "metrics": {"models": models},
    })  # fmt: skip
    return tmp_path


def test_the_rows_are_the_paper_s() -> None:
    assert [row.label for row in SPEC.rows] == list(published("table6"))
    assert [row.label for row in SPEC.rows if row.ours] == ["Hadaptive-Net-S", "Hadaptive-Net-M", "Hadaptive-Net-L"]


def test_the_table_and_its_comparison(trained: Path) -> None:
    table, compared = frames(real(SPEC), trained)
    assert table.cells["params_m"][0].value == 9 and table.cells["macs_g"][0].value == 1
    assert "Params and MACs: 80 classes, 320 px." in [note.text for note in table.notes]
    assert [cell.value for cell in compared.cells["miou_difference"]] == [0.0] * 6
    assert [cell.printed for cell in compared.cells["map_50_95_published"]][-1] == "23.2"
    assert any("118287 images, tested on 5000, at 320 px" in note.text for note in table.notes)
    assert any("38x38" in finding for finding in compared.findings)


def test_nothing_is_compared_with_stand_in_data(trained: Path) -> None:
    _, compared = frames(SPEC, trained)
    assert {cell.remark.text for cell in compared.cells["miou_difference"] if cell.remark} == {
        "no difference: not the same data"
    }


def test_claim_7_on_the_paper_s_numbers(trained: Path, tmp_path: Path) -> None:
    given = STUDY.claims
    tables = given.tables | {"table6": real(SPEC)}
    found = {each.claim.number: each for each in judge(given.model_copy(update={"tables": tables}), trained)}["7"]
    assert found.paper == UNDECIDED and len(found.parts) == 10, "one seed, and images that are as many trials"
    assert all(part.verdict != NOT_RUN for part in found.parts)
    assert found.parts[0].comparison == "mAP@0.5:0.95: Hadaptive-Net-M > Hadaptive-Net-S"


def test_a_row_that_params_do_not_name_is_not_run(tmp_path: Path) -> None:
    spec = STUDY.claims
    table = spec.tables["table6"]
    fewer = table.model_copy(update={"rows": tuple(row for row in table.rows if row.label != "MobileNetV2-1.0")})
    found = judge(spec.model_copy(update={"tables": spec.tables | {"table6": fewer}}), tmp_path)
    parts = [p for each in found for p in each.parts if "MobileNetV2-1.0" in p.comparison]
    assert [part.comparison.partition(":")[0] for part in parts] == ["mAP@0.5", "mIoU"]
    assert {(part.verdict, part.because) for part in parts} == {(NOT_RUN, "params.yaml has no row MobileNetV2-1.0")}


FIGURE = FigureSpec(figure="figure_detections", scale="cpu", about="SSD on a net", records=("coco/net/base/seed0",))


@pytest.fixture
def pictured(write: Any, tmp_path: Path) -> Path:
    samples = []
    for n, size in enumerate(((60, 40), (40, 60), (50, 50), (50, 50), (50, 50))):
        image = tmp_path / f"{n}.jpg"
        Image.new("RGB", size, "green").save(image)
        found = [{"box": [2, 2, 20, 20], "class": "cat", "score": 0.9 - n / 5},
                 {"box": [5, 5, 30, 30], "class": "dog", "score": 0.2}]  # fmt: skip
        samples.append({"image": str(image), "found": found, "there": [{"box": [1, 1, 22, 19], "class": "cat"}]})
    samples.append({"image": str(tmp_path / "gone.jpg"), "found": [], "there": []})
    write(
        tmp_path / "results",
        {"schema": 1, "id": FIGURE.records[0], "scale": "cpu", "status": "done", "metrics": {"samples": samples}},
    )
    return tmp_path


def test_the_picture_shows_what_its_table_says(pictured: Path) -> None:
    paths = render_figure(FIGURE, pictured / "results", pictured / "out")
    again = render_figure(FIGURE, pictured / "results", pictured / "again")
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    rows = list(csv.DictReader((pictured / "out/figure_detections.csv").read_text().splitlines()))
    assert {row["image"] for row in rows} == {f"{n}.jpg" for n in range(5)}, "an image that is gone is left out"
    assert [row["class"] for row in rows if row["what"] == "detected"] == ["cat"] * 5
    text = (pictured / "out/figure_detections.txt").read_text()
    assert "0.jpg: cat annotated, cat 0.90 detected." in text and "Demonstration" not in text


def test_the_best_detection_is_shown_whatever_its_score() -> None:
    def scores(*given: float) -> list[float]:
        found = [{"box": [0, 0, 1, 1], "class": "cat", "score": score} for score in given]
        return [each.score for each in shown(Sample.model_validate({"image": "a", "found": found, "there": []}))]

    assert scores(0.1, 0.05) == [0.1] and scores() == []
    assert len(scores(*[0.9] * 20)) == 6


def test_labels_of_boxes_at_one_place_do_not_overlap() -> None:
    taken: list[tuple[float, float, float, float]] = []
    for _ in range(6):
        place = _free([10, 10, 60, 60], (30, 8), (100, 80), taken)
        assert place is not None and 0 <= place[0] < place[2] <= 100 and 0 <= place[1] < place[3] <= 80
        assert all(place[0] >= o[2] or o[0] >= place[2] or place[1] >= o[3] or o[1] >= place[3] for o in taken)
        taken.append(place)
    assert _free([0, 0, 10, 4], (100, 80), (100, 80), taken) is None


@pytest.mark.parametrize("records", [(), FIGURE.records])
def test_an_empty_picture_says_why(tmp_path: Path, records: tuple[str, ...]) -> None:
    spec = FIGURE.model_copy(update={"records": records, "demonstration": True})
    render_figure(spec, tmp_path, tmp_path / "out")
    why = "not run" if records else "no Hadaptive-Net trained for detection"
    text = (tmp_path / "out/figure_detections.txt").read_text()
    assert f"not measured: {why}" in text and "Demonstration, not a result." in text
