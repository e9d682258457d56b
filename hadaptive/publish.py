"""A trained image classifier as a folder that timm and the Hugging Face Hub take: weights, configuration, model card.

    timm.create_model("local-dir:results/cpu/cifar100/starnet_s1/base/seed0/timm", pretrained=True)

The folder is made from a Run's record and its checkpoint `last.pt`, whose accuracy the tables show; neither changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hadaptive.errors import UserError
from hadaptive.record import TrainingRecord, read
from hadaptive.record.trainings import ClassificationRecord
from hadaptive.records import PUBLISHED, PUBLISHED_FILES, RECORD, sha256, write_text
from hadaptive.tasks import CLASSIFICATION, TASKS

if TYPE_CHECKING:
    from torch import nn

    from hadaptive.study import Study

LICENSE = "apache-2.0"
ACCURACIES = {"top1_last": "Top-1 accuracy, %", "top5_last": "Top-5 accuracy, %"}
CITATION = Path(__file__).resolve().parent.parent / "CITATION.cff"


def publish(folder: Path, data: Path, out: Path | None = None) -> list[Path]:
    """Write model.safetensors, config.json and README.md of the Run with its results in `folder`; returns their paths.

    `data` is the prepared data that it was trained on, for the names of the classes and the normalisation; `out` is
    `folder`/timm by default. UserError for a Run that is no finished image classification, and for a checkpoint or data
    that are not those of its record.
    """
    from timm.models import save_for_hf

    from hadaptive.data.prepared import read_manifest

    record, manifest = _classification(folder), read_manifest(data)
    _same(folder / "last.pt", record.checkpoints["last"].sha256 if "last" in record.checkpoints else None)
    _same(data / "manifest.json", record.data.sha256)
    model = loaded(record, folder / "last.pt", manifest["num_classes"])
    out = out or folder / PUBLISHED
    out.mkdir(parents=True, exist_ok=True)
    size = record.made_with["recipe"]["image_size"]
    save_for_hf(
        model,
        str(out),
        safe_serialization=True,
        model_config={"label_names": manifest["classes"], "hadaptive": {"run": record.id, "record": record.sha256}},
        model_args=_arguments(record),
        data_config={
            "input_size": (3, size, size),
            "mean": tuple(manifest["mean"]),
            "std": tuple(manifest["std"]),
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "crop_mode": "squash",  # resized to a square, whatever its shape was
        },
    )
    write_text(out / "README.md", card(record))
    return [out / name for name in PUBLISHED_FILES]


def loaded(record: TrainingRecord, checkpoint: Path, num_classes: int) -> nn.Module:
    """The record's model as timm builds it, with the weights of `checkpoint`, ready for evaluation."""
    import timm

    from hadaptive.nn.published import architecture
    from hadaptive.train.checkpoint import fill

    name, arguments = architecture(record.run.model, record.run.options)
    model: nn.Module = timm.create_model(name, num_classes=num_classes, **arguments)
    fill(model, checkpoint)
    return model.eval()


def _arguments(record: TrainingRecord) -> dict[str, Any]:
    from hadaptive.nn.published import architecture

    return architecture(record.run.model, record.run.options)[1]


def _classification(folder: Path) -> ClassificationRecord:
    record = read(folder / RECORD)
    if not isinstance(record, ClassificationRecord):
        raise UserError(f"{record.id} is no image classification, and timm has no other models; publish another Run")
    if record.status != "done":
        raise UserError(f"{record.id} has no finished model: {record.status}")
    return record


def _same(path: Path, checksum: str | None) -> None:
    if not path.is_file():
        raise UserError(f"{path} is missing; run the same Run here, as a reference record has no weights")
    if sha256(path) != checksum:
        raise UserError(f"{path} is not the file that the record names (its SHA-256 differs); run the Run again")


def card(record: ClassificationRecord) -> str:
    """The model card of a record: YAML with its `model-index`, then what it is, how it was made, and its limits."""
    run, recipe = record.run, record.made_with["recipe"]
    stand_in = run.dataset != run.task
    described: dict[str, Any] = {
        "library_name": "timm",
        "license": LICENSE,
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "timm", "hadaptive"],
        "model-index": [index_entry(record)],
    }
    head = yaml.safe_dump(described, sort_keys=False, allow_unicode=True)
    settings = "\n".join(f"| {name} | {value} |" for name, value in sorted(recipe.items()) if value is not None)
    metrics = "\n".join(
        f"| {title} | {value:.2f} |"
        for title, value in (
            ("top-1 on the test set, %", record.metrics.top1_last),
            ("top-5 on the test set, %", record.metrics.top5_last),
            ("top-1 on the training set, %", record.metrics.train_top1_last),
        )
        if value is not None
    )
    limits = [
        f"Trained from random weights for {recipe['epochs']} epochs at {recipe['image_size']} px, seed {run.seed}; no "
        "other test than the one above was made.",
        "Meant for comparing architectures, not for use in decisions about people or things.",
    ]
    if stand_in:
        limits.insert(0, f"A demonstration: {run.dataset} stands in for {run.task}, and the accuracy means nothing.")
    listed = "\n".join(f"- {each}" for each in limits)
    return f"""---
{head}---
# {run.model}, variant {run.variant}

Made by hadaptive, which reproduces *{_paper()["title"]}*: Run `{record.id}` at scale
`{record.scale}`, options `{json.dumps(run.options, sort_keys=True)}`.

```python
import timm
import hadaptive.nn.published  # registers what is not timm's own

model = timm.create_model("local-dir:FOLDER", pretrained=True).eval()
```

## Metrics

| after the last epoch | |
| :-- | --: |
{metrics}

## Recipe

| setting | value |
| :-- | :-- |
{settings}

Library versions, device, commit and the curve of all epochs are in the Run's `record.json` (SHA-256 of its fields:
`{record.sha256}`).

## Data

`{run.dataset}` from {record.data.source or "a source that the record does not name"}: {record.data.train_examples}
training and {record.data.test_examples} test images. The data are their owners'.

## Limits

{listed}

## License and citation

Weights and code: Apache License 2.0.

```bibtex
{bibtex()}
```
"""


def index_entry(record: ClassificationRecord) -> dict[str, Any]:
    """A record as an entry of the `model-index` of a card on the Hugging Face Hub."""
    values = {name: value for key, name in ACCURACIES.items() if (value := getattr(record.metrics, key)) is not None}
    return _entry(f"{record.run.model}.{record.run.variant}", {record.run.dataset: values})


def _entry(model: str, accuracies: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """An entry from accuracies by data set and metric."""
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index

    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=dataset,
            dataset_name=dataset,
            dataset_split="test",
            metric_type="accuracy",
            metric_name=name,
            metric_value=value,
        )
        for dataset, values in accuracies.items()
        for name, value in values.items()
    ]
    entry: dict[str, Any] = eval_results_to_model_index(model, results)[0]
    return entry


def write_index(study: Study, out_dir: Path) -> Path:
    """Write model-index.yaml: the accuracies of every classifier of a study that has a record, means over its seeds."""
    from hadaptive.study.results import table

    datasets = {run.task: run.dataset for run in study.runs.values() if TASKS[run.task] is CLASSIFICATION}
    found = table(study)
    found = found[found["task"].isin(datasets) & found["metric"].isin(ACCURACIES) & found["value"].notna()]
    means = found.groupby(["model", "variant", "task", "metric"], sort=False)["value"].agg(["mean", "count"])
    entries: dict[str, dict[str, dict[str, float]]] = {}
    for model, variant, task, metric, mean, count in means.reset_index().itertuples(index=False, name=None):
        seeds = f", mean of {count} seeds" if count > 1 else ""
        of_model = entries.setdefault(f"{model}.{variant}", {})
        of_model.setdefault(datasets[task], {})[ACCURACIES[metric] + seeds] = float(mean)
    path = out_dir / "model-index.yaml"
    head = f"# Scale {study.scale}{': a demonstration on stand-in data, not a result' * study.stand_in}\n"
    index = {"model-index": [_entry(model, each) for model, each in entries.items()]}
    write_text(path, head + yaml.safe_dump(index, sort_keys=False, allow_unicode=True))
    return path


def _paper() -> dict[str, Any]:
    if not CITATION.is_file():  # installed without the project's folder
        return {"title": "Expressive yet Efficient Feature Expansion with Adaptive Cross-Hadamard Products"}
    paper: dict[str, Any] = yaml.safe_load(CITATION.read_text(encoding="utf-8"))["preferred-citation"]
    return paper


def bibtex() -> str:
    """The paper as BibTeX, from CITATION.cff."""
    paper = _paper()
    fields = {"title": f"{{{paper['title']}}}"}
    if "authors" in paper:
        names = " and ".join(f"{each['family-names']}, {each['given-names']}" for each in paper["authors"])
        fields |= {"author": names, "booktitle": paper["collection-title"], "year": str(paper["year"])}
    return "@inproceedings{hadaptive,\n" + "".join(f"  {key} = {{{text}}},\n" for key, text in fields.items()) + "}"
