"""Table 6: SSD on different backbones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hadaptive.paper.cells import Cell
from hadaptive.paper.spec import TableSpec
from hadaptive.paper.tables.frame import Column, Frame, Note, Records, beside

TASK, COUNTED = "coco", "detectors"
_MODEL = "models.{model}.{variant}"
COLUMNS = (
    Column("params_m", "Params", COUNTED, f"{_MODEL}.parameters", 1e-6, "M"),
    Column("macs_g", "MACs", COUNTED, f"{_MODEL}.macs_training_form", 1e-9, "G"),
    Column("map_50_95", "mAP@0.5:0.95", TASK, "map_last", unit="%", digits=1, best=True, spread=True),
    Column("miou", "mIoU", TASK, "miou_last", unit="%", digits=1, best=True, spread=True),
    Column("params_backbone_m", "", COUNTED, f"{_MODEL}.parameters_backbone", 1e-6, shown=False),
    Column("map_50", "", TASK, "map_50_last", shown=False),
    Column("map_75", "", TASK, "map_75_last", shown=False),
    Column("matched", "", TASK, "matched_last", digits=0, shown=False),
    Column("map_best_on_test", "", TASK, "map_best_on_test", shown=False),
    Column("train_map", "", TASK, "train_map_last", shown=False),
    Column("train_miou", "", TASK, "train_miou_last", shown=False),
)
CONVENTION = (
    "Params and MACs are those of the whole detector in training form: backbone, extra layers, head; MACs are "
    "multiply-accumulates of convolutions and linear layers, norms and activations count nothing. mIoU is the mean IoU "
    "of the detections that COCO's evaluator matches to an object at 0.5. All models start from random weights."
)


def frames(spec: TableSpec, results_root: Path) -> list[Frame]:
    """Table 6 and its compare version. mAP is after the last epoch, never selected on the validation images."""
    records = Records(spec, results_root)
    cells = records.cells(COLUMNS)
    frame = Frame(
        stem="table6",
        spec=spec,
        title="Object detection: SSD on different backbones (the paper's Table 6).",
        columns=COLUMNS,
        cells=cells,
        notes=tuple(_notes(records, cells)),
        rows_are="Backbone",
    )
    return beside(frame, split=False)


def _notes(records: Records, cells: dict[str, list[Cell]]) -> Iterator[Note]:
    yield Note(TASK, CONVENTION, in_caption=True)
    classes, pixels = (records.values(COUNTED, "settings", name) for name in ("num_classes", "image_size"))
    if classes:
        yield Note(COUNTED, f"Params and MACs: {classes} classes, {pixels} px.")
    size = records.values(TASK, "run", "recipe", "image_size")
    train, test = (records.values(TASK, "data", f"{split}_examples") for split in ("train", "test"))
    if train:
        n = max(cell.n for cell in cells["map_50_95"])
        seeds = f"mean and sample standard deviation over {n} seeds" if n > 1 else "one seed"
        yield Note(TASK, f"Trained on {train} images, tested on {test}, at {size} px; after the last epoch, {seeds}.")
