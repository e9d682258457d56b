"""A trained model as a folder that a known library and the Hugging Face Hub take: weights, configuration, model card.

Image classifiers load with timm, text classifiers with transformers, detectors with `hadaptive.nn.published_detector`.
The folder is made from a Run's record and its checkpoint `last.pt`, whose metrics the tables show; neither changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hadaptive.data.settings import DataSettings
from hadaptive.errors import UserError
from hadaptive.record import TrainingRecord, read
from hadaptive.records import PUBLISHED, PUBLISHED_FILES, RECORD, sha256, write_text
from hadaptive.tasks import CLASSIFICATION, DETECTION, TASKS, TEXT, Task

if TYPE_CHECKING:
    from torch import nn

    from hadaptive.study import Study

LICENSE = "apache-2.0"
CITATION = Path(__file__).resolve().parent.parent / "CITATION.cff"


def publish(folder: Path, data: Path, out: Path | None = None, settings: DataSettings | None = None) -> list[Path]:
    """Write model.safetensors, config.json and README.md of the Run with its results in `folder`; returns their paths.

    A text classifier's folder has its tokenizer, too. `data` is the prepared data that it was trained on, for the names
    of the classes; `out` is `folder`/hub by default; `settings` say where BERT's vocabulary is. UserError for a Run
    that is no finished training of one model, and for a checkpoint or data that are not those of its record.
    """
    from hadaptive.data.prepared import read_manifest

    record, manifest = _finished(folder), read_manifest(data)
    checkpoint = folder / "last.pt"
    _same(checkpoint, record.checkpoints["last"].sha256 if "last" in record.checkpoints else None)
    _same(data / "manifest.json", record.data.sha256)
    out = out or folder / PUBLISHED
    out.mkdir(parents=True, exist_ok=True)
    kind = KINDS[TASKS[record.run.task]]
    kind.save(record, checkpoint, manifest, out)
    if kind is TEXTS:
        _save_tokenizer(record, manifest, out, settings or DataSettings())
    write_text(out / "README.md", card(record))
    return [out / name for name in PUBLISHED_FILES]


def _finished(folder: Path) -> TrainingRecord:
    record = read(folder / RECORD)
    if not isinstance(record, TrainingRecord) or TASKS[record.run.task] not in KINDS:
        raise UserError(
            f"{record.id} is no training of one model, so there are no weights to publish; "
            "publish a Run of an image classifier, a text classifier or a detector (see `hadaptive runs`)"
        )
    if record.status != "done":
        raise UserError(f"{record.id} has no finished model: {record.status}")
    return record


def _same(path: Path, checksum: str | None) -> None:
    if not path.is_file():
        raise UserError(f"{path} is missing; run the same Run here, as a reference record has no weights")
    if sha256(path) != checksum:
        raise UserError(f"{path} is not the file that the record names (its SHA-256 differs); run the Run again")


def _save_image_classifier(record: TrainingRecord, checkpoint: Path, manifest: dict[str, Any], out: Path) -> None:
    import timm
    from timm.models import save_for_hf

    from hadaptive.nn.published import architecture

    name, arguments = architecture(record.run.model, record.run.options)
    model: nn.Module = timm.create_model(name, num_classes=manifest["num_classes"], **arguments)
    _fill(model, checkpoint)
    size = record.made_with["recipe"]["image_size"]
    save_for_hf(
        model,
        str(out),
        safe_serialization=True,
        model_config={"label_names": manifest["classes"], "hadaptive": {"run": record.id, "record": record.sha256}},
        model_args=arguments,
        data_config={
            "input_size": (3, size, size),
            "mean": tuple(manifest["mean"]),
            "std": tuple(manifest["std"]),
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "crop_mode": "squash",  # resized to a square, whatever its shape was
        },
    )


def _save_text_classifier(record: TrainingRecord, checkpoint: Path, manifest: dict[str, Any], out: Path) -> None:
    from hadaptive.nn.published_text import HadaptiveBertConfig, HadaptiveBertForSequenceClassification
    from hadaptive.nn.text import TextClassifier

    recipe, vocabulary = record.made_with["recipe"], manifest["vocabulary"]
    arguments = {
        "name": record.run.model,
        "classes": manifest["num_classes"],
        "vocabulary": vocabulary["size"],
        "pad": vocabulary["pad"],
        "width": recipe["width"],
        "heads": recipe["heads"],
        **record.run.options,
    }
    model: Any
    if _is_transformers_own(record):
        classifier = TextClassifier(**arguments)
        model = classifier.bert
    else:
        model = HadaptiveBertForSequenceClassification(HadaptiveBertConfig(arguments))
        classifier = model.model
    _fill(classifier, checkpoint)
    model.config.id2label = dict(enumerate(manifest["classes"]))
    model.config.label2id = {name: number for number, name in enumerate(manifest["classes"])}
    model.config.hadaptive = {"run": record.id, "record": record.sha256}
    model.save_pretrained(out)


def _is_transformers_own(record: TrainingRecord) -> bool:
    return record.run.options.get("feed_forward") != "ach"


def _save_tokenizer(record: TrainingRecord, manifest: dict[str, Any], out: Path, settings: DataSettings) -> None:
    from transformers import BertTokenizer

    from hadaptive.data import grammar, vocabulary

    dataset = record.run.dataset
    words = grammar.vocabulary(dataset) if dataset in grammar.GRAMMARS else vocabulary.uncased(settings)
    if words.sha256 != manifest["vocabulary"]["sha256"]:
        raise UserError(f"the vocabulary of {dataset} is another than when it was prepared; prepare it and run again")
    pieces = {piece: number for number, piece in enumerate(words.pieces)}
    BertTokenizer(vocab=pieces, model_max_length=record.made_with["recipe"]["word_pieces"]).save_pretrained(out)


def _save_detector(record: TrainingRecord, checkpoint: Path, manifest: dict[str, Any], out: Path) -> None:
    from hadaptive.nn.published_detector import Detector

    recipe = record.made_with["recipe"]
    model = Detector(
        backbone=record.run.model,
        options=record.run.options,
        classes=manifest["classes"],
        image_size=recipe["image_size"],
        gamma=recipe["gamma"],
        alpha=recipe["alpha"],
    )
    _fill(model, checkpoint)
    model.save_pretrained(out)


def _fill(model: nn.Module, checkpoint: Path) -> None:
    from hadaptive.train.checkpoint import fill

    fill(model, checkpoint)
    model.eval()


@dataclass(frozen=True)
class Kind:
    """Models that one library loads, as the Hugging Face Hub describes them."""

    task: str
    library: str
    metrics: Mapping[str, str]  # of a record: the names of those on the test set
    metric_type: str
    on_training_set: tuple[str, str]
    examples: str
    save: Callable[[TrainingRecord, Path, dict[str, Any], Path], None]


IMAGES = Kind(
    "image-classification",
    "timm",
    {"top1_last": "Top-1 accuracy, %", "top5_last": "Top-5 accuracy, %"},
    "accuracy",
    ("train_top1_last", "Top-1 accuracy on the training set, %"),
    "images",
    _save_image_classifier,
)
TEXTS = Kind(
    "text-classification",
    "transformers",
    {"top1_last": "Accuracy, %"},
    "accuracy",
    ("train_top1_last", "Accuracy on the training set, %"),
    "examples",
    _save_text_classifier,
)
DETECTORS = Kind(
    "object-detection",
    "hadaptive",
    {"map_last": "mAP, %", "map_50_last": "mAP at IoU 0.5, %", "map_75_last": "mAP at IoU 0.75, %"},
    "mAP",
    ("train_map_last", "mAP on as many training images, %"),
    "images",
    _save_detector,
)
KINDS: dict[Task, Kind] = {CLASSIFICATION: IMAGES, TEXT: TEXTS, DETECTION: DETECTORS}


def loading(record: TrainingRecord) -> str:
    """Return the lines that load a published model; FOLDER stands for where it lies."""
    kind = KINDS[TASKS[record.run.task]]
    if kind is IMAGES:
        return """import timm
import hadaptive.nn.published  # registers what is not timm's own

model = timm.create_model("local-dir:FOLDER", pretrained=True).eval()"""
    if kind is DETECTORS:
        return """from hadaptive.nn.published_detector import Detector

model = Detector.from_pretrained("FOLDER").eval()
boxes = model([image])[0]  # of an image float [3, H, W] in [0, 1]: boxes in its pixels, scores, labels"""
    ours = "" if _is_transformers_own(record) else "import hadaptive.nn.published_text  # registers the model\n"
    return f"""from transformers import pipeline
{ours}
classify = pipeline("text-classification", model="FOLDER")
classify({{"text": "a sentence", "text_pair": "its second sentence, for pairs"}})"""


def card(record: TrainingRecord) -> str:
    """Return the record's model card: YAML with its `model-index`, then what it is, how it was made, and its limits."""
    run, recipe, kind = record.run, record.made_with["recipe"], KINDS[TASKS[record.run.task]]
    stand_in = run.dataset != run.task
    described: dict[str, Any] = {
        "library_name": kind.library,
        "license": LICENSE,
        "pipeline_tag": kind.task,
        "tags": list(dict.fromkeys([kind.task, kind.library, "hadaptive"])),
        "model-index": [index_entry(record)],
    }
    head = yaml.safe_dump(described, sort_keys=False, allow_unicode=True)
    settings = "\n".join(f"| {name} | {value} |" for name, value in sorted(recipe.items()) if value is not None)
    metrics = "\n".join(
        f"| {title} | {value:.2f} |"
        for key, title in (*kind.metrics.items(), kind.on_training_set)
        if (value := getattr(record.metrics, key)) is not None
    )
    size = f"{recipe['word_pieces']} word pieces" if kind is TEXTS else f"{recipe['image_size']} px"
    limits = [
        f"Trained from random weights for {recipe['epochs']} epochs at {size}, seed {run.seed}; no "
        "other test than the one above was made.",
        "Meant for comparing architectures, not for use in decisions about people or things.",
    ]
    if stand_in:
        limits.insert(0, f"A demonstration: {run.dataset} stands in for {run.task}, and the metrics mean nothing.")
    listed = "\n".join(f"- {each}" for each in limits)
    return f"""---
{head}---
# {run.model}, variant {run.variant}

Made by hadaptive, which reproduces *{_paper()["title"]}*: Run `{record.id}` at scale
`{record.scale}`, options `{json.dumps(run.options, sort_keys=True)}`.

```python
{loading(record)}
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
training and {record.data.test_examples} test {kind.examples}. The data are their owners'.

## Limits

{listed}

## License and citation

Weights and code: Apache License 2.0.

```bibtex
{bibtex()}
```
"""


def index_entry(record: TrainingRecord) -> dict[str, Any]:
    """Return a record as an entry of the `model-index` of a card on the Hugging Face Hub."""
    kind = KINDS[TASKS[record.run.task]]
    values = {name: value for key, name in kind.metrics.items() if (value := getattr(record.metrics, key)) is not None}
    return _entry(f"{record.run.model}.{record.run.variant}", [(kind, record.run.dataset, values)])


def _entry(model: str, reached: list[tuple[Kind, str, Mapping[str, float]]]) -> dict[str, Any]:
    """Return an entry from the kind of the model, the data set and the values of its metrics by name."""
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index

    results = [
        EvalResult(
            task_type=kind.task,
            dataset_type=dataset,
            dataset_name=dataset,
            dataset_split="test",
            metric_type=kind.metric_type,
            metric_name=name,
            metric_value=value,
        )
        for kind, dataset, values in reached
        for name, value in values.items()
    ]
    entry: dict[str, Any] = eval_results_to_model_index(model, results)[0]
    return entry


def write_index(study: Study, out_dir: Path) -> Path:
    """Write model-index.yaml: the test metrics of every trained model of a study, means over its seeds."""
    from hadaptive.study.results import table

    datasets = {run.task: run.dataset for run in study.runs.values() if TASKS[run.task] in KINDS}
    found = table(study)
    found = found[found["task"].isin(datasets) & found["value"].notna()]
    means = found.groupby(["model", "variant", "task", "metric"], sort=False)["value"].agg(["mean", "count"])
    entries: dict[str, dict[str, dict[str, float]]] = {}
    for model, variant, task, metric, mean, count in means.reset_index().itertuples(index=False, name=None):
        if name := KINDS[TASKS[task]].metrics.get(metric):
            seeds = f", mean of {count} seeds" if count > 1 else ""
            entries.setdefault(f"{model}.{variant}", {}).setdefault(task, {})[name + seeds] = float(mean)
    path = out_dir / "model-index.yaml"
    head = f"# Scale {study.scale}{': a demonstration on stand-in data, not a result' * study.stand_in}\n"
    index = {
        "model-index": [
            _entry(model, [(KINDS[TASKS[task]], datasets[task], values) for task, values in of_model.items()])
            for model, of_model in entries.items()
        ]
    }
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
