"""A model card: what a published model is, how it was made, and its limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from hadaptive.publish.index import entry
from hadaptive.publish.kind import Kind
from hadaptive.record import TrainingRecord

LICENSE = "apache-2.0"
CITATION = Path(__file__).resolve().parents[2] / "CITATION.cff"


def card(record: TrainingRecord, kind: Kind) -> str:
    """Return the record's model card: YAML with its `model-index`, then what it is, how it was made, and its limits."""
    run, recipe = record.run, record.made_with["recipe"]
    stand_in = run.dataset != run.task
    described: dict[str, Any] = {
        "library_name": kind.library,
        "license": LICENSE,
        "pipeline_tag": kind.task,
        "tags": list(dict.fromkeys([kind.task, kind.library, "hadaptive"])),
        "model-index": [entry(f"{run.model}.{run.variant}", [(kind, run.dataset, kind.reached(record))])],
    }
    head = yaml.safe_dump(described, sort_keys=False, allow_unicode=True)
    settings = "\n".join(f"| {name} | {value} |" for name, value in sorted(recipe.items()) if value is not None)
    reached = kind.reached(record) | kind.reached_on_training_set(record)
    metrics = "\n".join(f"| {title} | {value:.2f} |" for title, value in reached.items())
    limits = [
        f"Trained from random weights for {recipe['epochs']} epochs at {kind.size.format(**recipe)}, seed {run.seed}; "
        "no other test than the one above was made.",
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
{kind.loading(record)}
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
