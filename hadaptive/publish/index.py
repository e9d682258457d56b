"""The `model-index` of the Hugging Face Hub: of one record, and of a whole study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hadaptive.publish.kind import Kind
from hadaptive.publish.kinds import KINDS
from hadaptive.records import write_text

if TYPE_CHECKING:
    from hadaptive.study import Study


def entry(model: str, reached: list[tuple[Kind, str, Mapping[str, float]]]) -> dict[str, Any]:
    """Return an entry of a `model-index` from a model's kind, data set and metrics by their names, for each task."""
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

    datasets = {run.task: run.dataset for run in study.runs.values() if run.task in KINDS}
    found = table(study)
    found = found[found["task"].isin(datasets) & found["value"].notna()]
    means = found.groupby(["model", "variant", "task", "metric"], sort=False)["value"].agg(["mean", "count"])
    entries: dict[str, dict[str, dict[str, float]]] = {}
    for model, variant, task, metric, mean, count in means.reset_index().itertuples(index=False, name=None):
        if name := KINDS[task].metrics.get(metric):
            seeds = f", mean of {count} seeds" if count > 1 else ""
            entries.setdefault(f"{model}.{variant}", {}).setdefault(task, {})[name + seeds] = float(mean)
    path = out_dir / "model-index.yaml"
    head = f"# Scale {study.scale}{': a demonstration on stand-in data, not a result' * study.stand_in}\n"
    index = {
        "model-index": [
            entry(model, [(KINDS[task], datasets[task], values) for task, values in of_model.items()])
            for model, of_model in entries.items()
        ]
    }
    write_text(path, head + yaml.safe_dump(index, sort_keys=False, allow_unicode=True))
    return path
