"""What is published alike: models that one library loads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hadaptive.data.settings import DataSettings
from hadaptive.record import TrainingRecord

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Trained:
    """A finished training: its record, its weights `last.pt`, the manifest of its data, where data sets come from."""

    record: TrainingRecord
    checkpoint: Path
    manifest: dict[str, Any]
    settings: DataSettings

    def fill(self, model: nn.Module) -> None:
        """Load the weights into a model, which evaluates from now on."""
        from hadaptive.train.checkpoint import fill

        fill(model, self.checkpoint)
        model.eval()


@dataclass(frozen=True)
class Kind:
    """Models that one library loads, as the Hugging Face Hub describes them."""

    task: str
    library: str
    metrics: Mapping[str, str]  # of a record: the names of those on the test set
    metric_type: str
    on_training_set: Mapping[str, str]
    examples: str
    size: str  # of an input, with a setting of the recipe: "{image_size} px"
    save: Callable[[Trained, Path], None]
    loading: Callable[[TrainingRecord], str]  # the lines that load a model from FOLDER

    def reached(self, record: TrainingRecord) -> dict[str, float]:
        """Return a record's metrics on the test set by their names."""
        return _named(record, self.metrics)

    def reached_on_training_set(self, record: TrainingRecord) -> dict[str, float]:
        """Return a record's metrics on the training set by their names."""
        return _named(record, self.on_training_set)


def _named(record: TrainingRecord, names: Mapping[str, str]) -> dict[str, float]:
    return {name: value for key, name in names.items() if (value := getattr(record.metrics, key)) is not None}
