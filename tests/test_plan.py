"""What a training would take: scaled by size, from the nearest record, unknown where nothing is near."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hadaptive.cli.plan import planned
from hadaptive.plan import OTHER_MODELS, SAME_MODEL, SAME_RUN, UNKNOWN, Past, Training, elapsed, estimate, past, work
from hadaptive.recipes import Recipe, TextRecipe
from hadaptive.run import Classification, Text
from tests.records import put as put_record

RECIPE = {"epochs": 10, "image_size": 64, "train_examples": 1000, "batch_size": 64}


def a_run(model: str = "net", task: str = "cifar100", **recipe: Any) -> Classification:
    return Classification(
        scale="cpu",
        task=task,
        model=model,
        variant="base",
        dataset="cifar100",
        seed=0,
        recipe=Recipe.model_validate({**RECIPE, **recipe}),
    )


def put(root: Path, run: Classification, wall_s: float, device: str = "cpu: a processor", **more: Any) -> None:
    put_record(
        root,
        {
            "id": run.id,
            "scale": run.scale,
            "run": run.model_dump(mode="json"),
            "wall_s": wall_s,
            "environment": {"device": device},
            "data": {"train_examples": run.recipe.train_examples or 50_000},
            "peak_memory_bytes": 1_400_000_000,
            "model": {"parameters": 2_000_000},
            **more,
        },
    )


def put_macs(root: Path, model: str, macs: int) -> None:
    metrics = {"macs": macs, "parameters": 3_000_000}
    put_record(root, {"id": f"complexity/{model}/base", "scale": "demo", "metrics": metrics})


def test_the_same_run_takes_what_it_took(tmp_path: Path) -> None:
    put(tmp_path, a_run(), 120.0)
    found = estimate(a_run(), past(tmp_path), "cpu")
    assert (found.seconds, found.memory, found.basis) == (120.0, 1_400_000_000, SAME_RUN)
    assert found.disk == 2 * 4 * 2_000_000


@given(
    epochs=st.integers(1, 40),
    examples=st.integers(100, 4000),
    pixels=st.sampled_from([32, 64, 128]),
    batch=st.sampled_from([32, 64, 128]),
)
def test_time_grows_with_epochs_examples_and_pixels_and_memory_with_the_batch(
    epochs: int, examples: int, pixels: int, batch: int
) -> None:
    wanted = a_run(epochs=epochs, train_examples=examples, image_size=pixels, batch_size=batch)
    of = work(a_run(), Past(), "cpu")
    assert of is not None
    found = estimate(wanted, Past((Training(of, 100.0, 1_400_000_000, 2_000_000),)), "cpu")
    ratio = (epochs / 10) * (examples / 1000) * (pixels / 64) ** 2
    assert found.seconds == pytest.approx(100.0 * ratio)
    more = max(1.0, (pixels / 64) ** 2 * batch / 64)  # all but the 0.4 GB of a process at rest; a smaller batch as much
    assert found.memory == pytest.approx(0.4e9 + 1.0e9 * more)
    assert found.basis == (SAME_RUN if (epochs, examples, pixels, batch) == (10, 1000, 64, 64) else SAME_MODEL)


def test_another_model_s_time_goes_by_multiply_accumulates(tmp_path: Path) -> None:
    put(tmp_path, a_run("small"), 100.0)
    put(tmp_path, a_run("middle"), 400.0)
    put(tmp_path, a_run("uncounted"), 1.0)
    for model, macs in (("small", 50), ("middle", 100), ("large", 300)):
        put_macs(tmp_path, model, macs)
    found = estimate(a_run("large", epochs=20), past(tmp_path), "cpu")
    assert found.seconds == pytest.approx(2 * 300 * (100 / 50 + 400 / 100) / 2)  # the median of two is their mean
    assert (found.memory, found.disk, found.basis) == (None, 2 * 4 * 3_000_000, OTHER_MODELS)
    assert estimate(a_run("nowhere"), past(tmp_path), "cpu").basis == UNKNOWN


def test_what_is_not_comparable_is_unknown(tmp_path: Path) -> None:
    put(tmp_path, a_run(), 100.0)
    known = past(tmp_path)
    for run, device in (
        (a_run(), "cuda"),
        (a_run(precision="bf16"), "cpu"),
        (a_run(compile=True), "cpu"),
        (a_run(epochs=200, image_size=224, train_examples=50_000), "cpu"),  # far more than what is on record
    ):
        assert estimate(run, known, device).seconds is None
        assert estimate(run, known, device).basis == UNKNOWN
    assert estimate(a_run(task="imagenet1k"), known, "cpu").basis == SAME_RUN  # the same trainer


def test_text_is_priced_by_its_word_pieces_and_only_by_records_of_its_width() -> None:
    def text(**recipe: int) -> Text:
        given = TextRecipe.model_validate({"train_examples": 1000, **recipe})
        return Text(scale="cpu", task="sst2", model="bert_6", variant="base", dataset="sst2", seed=0, recipe=given)

    of = work(text(word_pieces=32, width=64, heads=4), Past(), "cpu")
    assert of is not None
    known = Past((Training(of, 100.0, None, None),))
    assert estimate(text(word_pieces=64, width=64, heads=4), known, "cpu").seconds == pytest.approx(200.0)
    assert estimate(text(word_pieces=32, width=768, heads=12), known, "cpu").basis == UNKNOWN


def test_the_largest_run_on_record_counts_and_failed_ones_do_not(tmp_path: Path) -> None:
    put(tmp_path, a_run(epochs=1), 60.0)
    put(tmp_path, a_run().model_copy(update={"scale": "gpu"}), 200.0)
    put(tmp_path, a_run(epochs=50).model_copy(update={"seed": 1}), 1.0, status="diverged at epoch 1")
    (tmp_path / "cpu/cifar100/damaged").mkdir()
    (tmp_path / "cpu/cifar100/damaged/record.json").write_text("{")
    assert estimate(a_run(epochs=20), past(tmp_path), "cpu").seconds == pytest.approx(400.0)


def test_the_whole_data_set_is_known_without_being_prepared(tmp_path: Path) -> None:
    put(tmp_path, a_run(train_examples=25_000), 100.0)
    assert estimate(a_run(train_examples=None), past(tmp_path), "cpu").seconds == pytest.approx(200.0)


def test_wall_time_of_jobs_side_by_side_and_alone() -> None:
    assert elapsed([10.0, 10.0, 10.0, 10.0], 2, [5.0]) == 25.0
    assert elapsed([10.0, 100.0], 8) == 100.0
    assert elapsed([], 2) == 0.0


def test_jobs_are_read_from_a_dry_run() -> None:
    said = (
        "Job stats:\n\n[today]\nrule train:\n    input: a\n    output: x/record.json, x/last.pt\n    jobid: 1\n"
        "Shell command: python -m hadaptive train '{}'\n\n[today]\nlocalrule all:\n    input: x/record.json\n"
        "    jobid: 0\n"
    )
    (job,) = planned(said)
    assert job.rule == "train" and job.outputs == ("x/record.json", "x/last.pt") and "hadaptive train" in job.command
