"""Trackers get what the record has, and no training fails because of one."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from hadaptive import tracking
from hadaptive.recipes import Recipe
from hadaptive.record import TrainingRecord, read
from hadaptive.run import Classification
from tests.records import put_sealed

RUN = Classification(
    scale="demo", task="cifar100", model="starnet_s1", variant="base", dataset="digits", seed=0, recipe=Recipe(epochs=3)
)
CURVE = [{"epoch": n, "train_loss": 2.0 / n, "test_loss": 2.1 / n, "tau": {"a": 0.5}} for n in (1, 2, 3)]


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainingRecord:
    monkeypatch.chdir(tmp_path)
    fields = {"id": RUN.id, "scale": "demo", "curve": CURVE, "metrics": {"top1_last": 61.5, "best_epoch": 3}}
    found = read(put_sealed(tmp_path, fields))
    assert isinstance(found, TrainingRecord)
    return found


def send(record: TrainingRecord, *, until: int = 3, finish: bool = True) -> None:
    """What a training does, epoch by epoch."""
    with tracking.tracked(RUN, "code"):
        for n in range(1, until + 1):
            tracking.epochs(CURVE[:n])
        if finish:
            tracking.finished(record)


def test_off_unless_asked_for(record: TrainingRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(tracking.VARIABLE, raising=False)
    before = set(tmp_path.iterdir())
    send(record)
    assert set(tmp_path.iterdir()) == before


def test_tensorboard_reads_the_curve_and_the_record(record: TrainingRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard", reason="needs --extra tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setenv(tracking.VARIABLE, "tensorboard")
    send(record, until=2, finish=False)  # killed after two epochs
    send(record)
    events = EventAccumulator(f"logs/tensorboard/demo/{RUN.id}").Reload()
    assert [(e.step, e.value) for e in events.Scalars("train_loss")] == [(n, pytest.approx(2.0 / n)) for n in (1, 2, 3)]
    assert events.Scalars("tau.a")[-1].value == 0.5
    assert events.Scalars("metrics/top1_last")[-1].value == 61.5
    texts = {
        name: events.Tensors(f"{name}/text_summary")[-1].tensor_proto.string_val[0] for name in ("settings", "record")
    }
    assert b"starnet_s1" in texts["settings"] and record.sha256 and record.sha256.encode() in texts["record"]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_mlflow_has_it_in_a_local_store(record: TrainingRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs --extra mlflow")
    monkeypatch.setenv(tracking.VARIABLE, "mlflow")
    send(record, until=2, finish=False)
    send(record)
    client = mlflow.MlflowClient(Path("logs/mlflow").resolve().as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("hadaptive").experiment_id])  # one: it was resumed
    assert run.info.status == "FINISHED" and run.data.tags["status"] == "done"
    assert run.data.params["recipe.epochs"] == "3" and run.data.params["model"] == "starnet_s1"
    assert run.data.metrics["metrics.top1_last"] == 61.5
    assert [m.step for m in client.get_metric_history(run.info.run_id, "train_loss")] == [1, 2, 3], "no epoch twice"
    assert [each.path for each in client.list_artifacts(run.info.run_id)] == ["record.json"]


def test_wandb_is_called_as_its_api_says(record: TrainingRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the library: what would be sent, and that it stays offline unless told otherwise."""
    calls: list[Any] = []
    run = types.SimpleNamespace(
        step=0,
        log=lambda values, step: calls.append((step, values["train_loss"])),
        summary={},
        finish=lambda: calls.append("finished"),
    )
    stub = types.ModuleType("wandb")
    stub.init = lambda **words: calls.append(words) or run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", stub)
    monkeypatch.setenv(tracking.VARIABLE, "wandb")
    monkeypatch.setenv("WANDB_MODE", "")
    monkeypatch.delenv("WANDB_MODE")
    send(record)
    asked, *sent = calls
    assert asked["config"]["model"] == "starnet_s1" and asked["id"] == RUN.key("code")
    assert sent == [(1, 2.0), (2, 1.0), (3, pytest.approx(2 / 3)), "finished"]
    assert run.summary["metrics/top1_last"] == 61.5
    assert tracking.os.environ["WANDB_MODE"] == "offline"


@pytest.mark.parametrize(
    ("name", "said"),
    [("comet", "no such tracker; there are tensorboard, mlflow, wandb"), ("wandb", "not installed; install the extra")],
)
def test_one_that_cannot_be_had_is_named_once(
    name: str, said: str, record: TrainingRecord, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(tracking.VARIABLE, name)
    monkeypatch.setitem(sys.modules, "wandb", None)
    send(record)
    out = capsys.readouterr().out
    assert said in out and out.count("the training goes on without it") == 1


def test_one_that_breaks_is_left_alone(
    record: TrainingRecord, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        sent = 0

        def __init__(self, run: Any, code: str) -> None: ...
        def epoch(self, number: int, values: Any) -> None:
            raise ConnectionError("no route to host")

        def finish(self, record: Any, metrics: Any) -> None:
            raise AssertionError("it was left alone")

        def close(self) -> None:
            raise AssertionError("it was left alone")

    monkeypatch.setitem(tracking.TRACKERS, "broken", Broken)
    monkeypatch.setenv(tracking.VARIABLE, "broken")
    send(record)
    assert capsys.readouterr().out == "tracker Broken: no route to host; the training goes on without it\n"
