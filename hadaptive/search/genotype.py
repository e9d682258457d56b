"""From confidences to a model: which candidate each layer is, how far seeds agree on it. Imports no torch."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from hadaptive.space import Space

Confidences = Mapping[str, Mapping[str, float]]  # layer's number -> candidate -> percent


def chosen(space: Space, confidences: Confidences) -> list[str]:
    """Return the candidate of every layer: of a fixed one its own, of a searched one that of highest confidence.

    Of equals the first named. Raises KeyError for a layer without confidences.
    """
    names = []
    for number, layer in enumerate(space.layers):
        rivals = confidences[str(number)] if len(layer.choose) > 1 else {}
        names.append(max(layer.choose, key=lambda name: rivals[name]) if rivals else layer.choose[0])
    return names


def rows(space: Space, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of the model that has these candidates, blanks left out: `hadaptive_net_found`'s argument."""
    settled = [space.row(number, name) for number, name in enumerate(names)]
    return [row for row in settled if row["op"] != "blank"]


def mean(confidences: Sequence[Confidences]) -> dict[str, dict[str, float]]:
    """Confidences averaged over searches of one space."""
    return {
        layer: {name: statistics.fmean(one[layer][name] for one in confidences) for name in rivals}
        for layer, rivals in confidences[0].items()
    }


def agreement(architectures: Sequence[Sequence[str]], layers: Sequence[int]) -> float:
    """Return how often two seeds choose the same candidate, percent: mean over pairs of seeds and searched layers.

    Raises ValueError below two seeds.
    """
    if len(architectures) < 2:
        raise ValueError("one seed agrees with none")
    same = [one[n] == other[n] for one, other in itertools.combinations(architectures, 2) for n in layers]
    return 100 * statistics.fmean(same)


def by_chance(space: Space) -> float:
    """Return the agreement, percent, of choices made at random with equal chances."""
    return 100 * statistics.fmean(1 / len(space.layers[number].choose) for number in space.searched())
