"""How long trainings would take and what they need, from those on record. Imports no torch.

Time grows with epochs x training examples x pixels (for text: tokens), and with a model's multiply-accumulates. So
the time of a Run is that of the record nearest to it, times the ratio of these sizes: a record of the same model and
variant, else of the same model, else the median over other models whose multiply-accumulates are on record too. Only
records made on the same kind of device in the same precision and, where a recipe sets it, at the same width count, and
of one model those of the largest Runs: a short one is mostly start-up, so none is scaled up by more than `REACH`. Where
there is none the answer is None, never a guess.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hadaptive.record import TrainingRecord, find
from hadaptive.record.measures import ComplexityRecord
from hadaptive.record.trainings import TrainedRun
from hadaptive.run import Run
from hadaptive.tasks import TASKS

EXAMPLES = {"cifar100": 50_000, "imagenet1k": 1_281_167}  # training images, known before the data are prepared
SAME_RUN, SAME_MODEL, OTHER_MODELS, UNKNOWN = "measured before", "from the same model", "from other models", "unknown"
BYTES = 4  # of a parameter in a checkpoint
REACH, REACH_MEMORY = 1000.0, 16.0  # how much larger than the one on record a Run may be, by size and by batch
RESTING = {"cpu": 400e6}  # bytes of a process that has loaded torch, which do not grow with the batch


@dataclass(frozen=True)
class Work:
    """What a training amounts to; times are compared within a `trainer` and a `how`.

    `size` is epochs x examples x pixels (or tokens); `held` is pixels of one batch.
    """

    trainer: str
    model: str
    variant: str
    how: tuple[object, ...]  # device, precision, compiled, and the width that a recipe gives the model
    size: float
    held: float


@dataclass(frozen=True)
class Training:
    """A training on record."""

    work: Work
    wall_s: float
    peak_bytes: int | None
    parameters: int | None


@dataclass(frozen=True)
class Past:
    """What is on record at any scale: trainings, and what complexity says of (model, variant)."""

    trainings: tuple[Training, ...] = ()
    macs: Mapping[tuple[str, str], int] | None = None
    parameters: Mapping[tuple[str, str], int] | None = None
    examples: Mapping[str, int] | None = None  # training examples by data set, whole


@dataclass(frozen=True)
class Estimate:
    """What one training would take: seconds, bytes of memory (at most about), bytes on disk; None: unknown."""

    seconds: float | None
    memory: int | None
    disk: int | None
    basis: str


def past(results_root: Path) -> Past:
    """Return everything on record below results_root/<scale>/. Damaged and failed records are passed over."""
    trainings, macs, parameters, examples = [], {}, {}, dict(EXAMPLES)
    for path in sorted(results_root.glob("*/*/**/record.json")):
        record = find(path)
        if isinstance(record, ComplexityRecord) and record.status == "done":
            of = record.model, record.variant
            macs[of], parameters[of] = record.metrics.macs, record.metrics.parameters
        elif isinstance(record, TrainingRecord) and record.status == "done" and (training := _training(record)):
            trainings.append(training)
            if not record.run.recipe.train_examples and record.data.train_examples:
                examples[record.run.dataset] = record.data.train_examples
    return Past(tuple(trainings), macs, parameters, examples)


def work(run: Run, known: Past, device: str) -> Work | None:
    """Return what a Run amounts to on a device ("cuda", "cpu"); None where the number of its examples is not known."""
    asked = TrainedRun.model_validate({"recipe": {}, **run.model_dump(mode="json")})
    examples = asked.recipe.train_examples or (known.examples or EXAMPLES).get(run.dataset)
    return _work(asked, asked.recipe.epochs, examples, device) if examples and asked.recipe.epochs else None


def estimate(run: Run, known: Past, device: str) -> Estimate:
    """Return what `run` would take on `device`, from the records nearest to it."""
    of = run.model, run.variant
    wanted = work(run, known, device)
    alike = [t for t in known.trainings if wanted and _says(t.work, wanted)]
    same = _largest([t for t in alike if (t.work.model, t.work.variant) == of])
    same = same or _largest([t for t in alike if t.work.model == run.model])
    parameters = (known.parameters or {}).get(of) or next((t.parameters for t in same if t.work.variant == of[1]), None)
    disk = 2 * BYTES * parameters if parameters else None  # last.pt and best.pt
    if wanted and same:
        seconds = statistics.median(t.wall_s * wanted.size / t.work.size for t in same)
        basis = SAME_RUN if same[0].work == wanted else SAME_MODEL
        return Estimate(seconds, _memory(same, wanted, device), disk, basis)
    macs = known.macs or {}
    rates = []
    for other in sorted({(t.work.model, t.work.variant) for t in alike} & set(macs)):
        largest = _largest([t for t in alike if (t.work.model, t.work.variant) == other])
        rates.append(statistics.median(t.wall_s / (t.work.size * macs[other]) for t in largest))
    if wanted and rates and of in macs:
        return Estimate(statistics.median(rates) * wanted.size * macs[of], None, disk, OTHER_MODELS)
    return Estimate(None, None, disk, UNKNOWN)


def seconds_of(runs: Iterable[Run], known: Past, device: str) -> dict[str, float]:
    """What the Runs would take, by id; without those of which nothing is known."""
    found = {run.id: estimate(run, known, device).seconds for run in runs}
    return {name: seconds for name, seconds in found.items() if seconds is not None}


def _says(recorded: Work, wanted: Work) -> bool:
    comparable = (recorded.trainer, recorded.how) == (wanted.trainer, wanted.how)
    return comparable and wanted.size <= REACH * recorded.size


def _memory(same: Sequence[Training], wanted: Work, device: str) -> int | None:
    peaks, resting = [], RESTING.get(device, 0.0)
    for training in same:
        more = max(1.0, wanted.held / training.work.held)
        if training.peak_bytes and more <= REACH_MEMORY:
            peaks.append(resting + max(0.0, training.peak_bytes - resting) * more)
    return int(max(peaks)) if peaks else None


def elapsed(seconds: Sequence[float], side_by_side: int, alone: Iterable[float] = ()) -> float:
    """Wall time of jobs of which so many run at once, and of those that run with nothing beside them. No schedule ends
    sooner; a good one ends not much later."""
    return max([sum(seconds) / side_by_side, *seconds], default=0.0) + sum(alone)


def _training(record: TrainingRecord) -> Training | None:
    device, epochs = (record.environment.device or "").partition(":")[0], record.run.recipe.epochs
    examples, wall = record.data.train_examples, record.wall_s
    if not (examples and wall and epochs):
        return None
    work = _work(record.run, epochs, examples, device)
    return Training(work, wall, record.peak_memory_bytes, record.model.parameters)


def _work(run: TrainedRun, epochs: int, examples: int, device: str) -> Work:
    """For text, tokens replace pixels; a recipe that has neither counts examples alone."""
    recipe = run.recipe
    pixels = (recipe.image_size or 1) ** 2 * (recipe.word_pieces or 1)
    how = (device, recipe.precision, recipe.compile, recipe.width)
    trainer = TASKS[run.task].trainer if run.task in TASKS else run.task
    size, held = float(epochs * examples * pixels), float((recipe.batch_size or 1) * pixels)
    return Work(trainer, run.model, run.variant, how, size, held)


def _largest(trainings: Sequence[Training]) -> list[Training]:
    most = max((t.work.size for t in trainings), default=0.0)
    return [t for t in trainings if t.work.size == most]
