"""Send the settings, the curve and the record of a training to a tracker: TensorBoard, MLflow or Weights & Biases.

    HADAPTIVE_TRACKER=tensorboard uv run --extra tensorboard snakemake --cores 8

Where that variable is not set, nothing here does anything. No training fails because of a tracker: one that is not
installed or raises is named once, in the Run's log, and gets nothing more. Imports no tracker before it is asked for.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from hadaptive.record import TrainingRecord
from hadaptive.run import Run

VARIABLE = "HADAPTIVE_TRACKER"
LOGS = Path("logs")  # for what is not sent elsewhere; git ignores it
LONGEST = 500  # characters of a setting that MLflow takes


class Tracker(Protocol):
    """One Run at one tracker. `sent` epochs of its curve are there already, from before an interruption."""

    sent: int

    def epoch(self, number: int, values: Mapping[str, float]) -> None: ...
    def finish(self, record: Mapping[str, Any], metrics: Mapping[str, float]) -> None: ...
    def close(self) -> None: ...


class TensorBoard:
    """Event files under logs/tensorboard: `tensorboard --logdir logs/tensorboard`."""

    def __init__(self, run: Run, code: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.sent = 0  # the whole curve is written again; purge_step hides what an interrupted process wrote
        self.writer = SummaryWriter(str(LOGS / "tensorboard" / run.scale / run.id), purge_step=1)
        self.writer.add_text("settings", _as_code(run.model_dump(mode="json")))

    def epoch(self, number: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, number)
        self.writer.flush()
        self.sent = number

    def finish(self, record: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self.writer.add_scalar(f"metrics/{name}", value, self.sent)
        self.writer.add_text("record", _as_code(record))

    def close(self) -> None:
        self.writer.close()


class MLflow:
    """The store that MLFLOW_TRACKING_URI names, otherwise the folder logs/mlflow."""

    def __init__(self, run: Run, code: str) -> None:
        for name, value in (("MAX_RETRIES", "1"), ("TIMEOUT", "10")):  # its own would hold a training up for minutes
            os.environ.setdefault(f"MLFLOW_HTTP_REQUEST_{name}", value)
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # no database for what one process writes
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        self.metric: Callable[..., Any] = Metric
        self.client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or (LOGS / "mlflow").resolve().as_uri())
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "hadaptive")
        experiment = self.client.get_experiment_by_name(name)
        id = experiment.experiment_id if experiment else self.client.create_experiment(name)
        key = run.key(code)
        mine = self.client.search_runs([id], f"tags.key = '{key}' and attributes.status != 'FINISHED'", max_results=1)
        if mine:  # of a process that was interrupted
            self.id: str = mine[0].info.run_id
            self.sent = max((each.step for each in self.client.get_metric_history(self.id, "train_loss")), default=0)
            self.client.update_run(self.id, status="RUNNING")
            return
        tags = {"key": key, "scale": run.scale, "task": run.task, "model": run.model, "variant": run.variant}
        self.id, self.sent = self.client.create_run(id, run_name=f"{run.scale}/{run.id}", tags=tags).info.run_id, 0
        settings = _flat(run.model_dump(mode="json"))
        self.client.log_batch(self.id, params=[Param(name, str(value)[:LONGEST]) for name, value in settings.items()])

    def epoch(self, number: int, values: Mapping[str, float]) -> None:
        self._log(values, number)
        self.sent = number

    def finish(self, record: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        self._log({f"metrics.{name}": value for name, value in metrics.items()}, self.sent)
        self.client.set_tag(self.id, "status", record["status"])
        self.client.log_dict(self.id, dict(record), "record.json")
        self.client.set_terminated(self.id)

    def close(self) -> None:
        if self.client.get_run(self.id).info.status == "RUNNING":
            self.client.set_terminated(self.id, "KILLED")

    def _log(self, values: Mapping[str, float], step: int) -> None:
        import time

        now = int(1000 * time.time())
        self.client.log_batch(self.id, [self.metric(name, value, now, step) for name, value in values.items()])


class WandB:
    """Weights & Biases, by default offline in logs/wandb (`wandb sync` sends it); online where WANDB_MODE says so."""

    def __init__(self, run: Run, code: str) -> None:
        import wandb

        os.environ.setdefault("WANDB_MODE", "offline")  # a machine without network or account must not wait
        LOGS.mkdir(exist_ok=True)
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "hadaptive"),
            name=f"{run.scale}/{run.id}",
            group=f"{run.scale}/{run.task}/{run.model}/{run.variant}",
            id=run.key(code),
            resume="allow",
            config=run.model_dump(mode="json"),
            dir=os.environ.get("WANDB_DIR", str(LOGS)),
        )
        self.sent = int(self.run.step)

    def epoch(self, number: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=number)
        self.sent = number

    def finish(self, record: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        self.run.summary.update({f"metrics/{name}": value for name, value in metrics.items()})
        self.run.summary.update({"status": record["status"], "record": json.dumps(record)})

    def close(self) -> None:
        self.run.finish()


TRACKERS: dict[str, Callable[[Run, str], Tracker]] = {"tensorboard": TensorBoard, "mlflow": MLflow, "wandb": WandB}
_current: Tracker | None = None


@contextlib.contextmanager
def tracked(run: Run, code: str) -> Iterator[None]:
    """Open the tracker that HADAPTIVE_TRACKER names for this Run, and close it whatever happens within.

    Of several processes that train one model together the first alone has a tracker.
    """
    global _current
    if (name := os.environ.get(VARIABLE)) and os.environ.get("RANK", "0") == "0":
        _current = _tried(name, lambda: _opened(name, run, code))
    try:
        yield
    finally:
        if _current is not None:
            _guarded(lambda tracker: tracker.close())
            _current = None


def epochs(curve: Sequence[Mapping[str, Any]]) -> None:
    """Send what of a training's curve is not sent yet."""
    _guarded(lambda tracker: _send(tracker, curve))


def finished(record: TrainingRecord) -> None:
    """Send the rest of the curve and the record."""
    raw = record.raw

    def send(tracker: Tracker) -> None:
        _send(tracker, raw.get("curve", ()))
        tracker.finish(raw, _numbers(raw["metrics"]))

    _guarded(send)


def _send(tracker: Tracker, curve: Sequence[Mapping[str, Any]]) -> None:
    for entry in curve:
        if entry["epoch"] > tracker.sent:
            tracker.epoch(entry["epoch"], _numbers({name: value for name, value in entry.items() if name != "epoch"}))


def _opened(name: str, run: Run, code: str) -> Tracker:
    if name not in TRACKERS:
        raise LookupError(f"no such tracker; there are {', '.join(TRACKERS)}")
    try:
        return TRACKERS[name](run, code)
    except ModuleNotFoundError as error:
        raise LookupError(f"{error.name} is not installed; install the extra {name!r}") from None


def _guarded(send: Callable[[Tracker], None]) -> None:
    global _current
    if (tracker := _current) is not None:

        def sent() -> Tracker:
            send(tracker)
            return tracker

        _current = _tried(type(tracker).__name__, sent)


def _tried(name: str, call: Callable[[], Tracker]) -> Tracker | None:
    """What `call` returns; None, with a message, where it fails."""
    try:
        return call()
    except Exception as error:  # of libraries and of networks, almost anything
        message = " ".join(str(error).split())[:300] or type(error).__name__
        print(f"tracker {name}: {message}; the training goes on without it", flush=True)
        return None


def _flat(values: Mapping[str, Any], at: str = "") -> dict[str, Any]:
    """Nested settings by dotted path; a list is one value."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{at}.{name}" if at else str(name)
        found |= _flat(value, path) if isinstance(value, Mapping) else {path: value}
    return found


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among nested values, by dotted path."""
    return {
        path: float(value)
        for path, value in _flat(values).items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _as_code(values: Mapping[str, Any]) -> str:
    """JSON as TensorBoard's Markdown shows it."""
    return "\n".join(f"    {line}" for line in json.dumps(values, indent=2, sort_keys=True).splitlines())
