"""The variance over seeds: what records of several seeds say of it, for models that have one or two as well."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hadaptive.paper.cells import Remark, look_up, read_record
from hadaptive.paper.claims.estimates import Spread, binomial
from hadaptive.paper.spec import ClaimsSpec, record_ids, record_path
from hadaptive.record import Record

OWN_SEEDS = 3  # from so many on a model may be seen to vary more than others
UNUSUAL = 0.05  # level of the F test by which it is
TEST_EXAMPLES = {"cifar100": 10_000, "imagenet1k": 50_000, "coco": 5_000, "sst2": 872, "mnli": 9_815}  # the paper's


@dataclass
class Spreads:
    """The variance over seeds of the trainings of each task at one scale.

    It is pooled over all models of a task that have several seeds: of two or three seeds alone it is hardly known, and
    with its few degrees of freedom a third seed of one model would make a verdict less sure than the pool. A model of
    three seeds or more that varies more than the others (F test at 5%) has its own.
    """

    spec: ClaimsSpec
    results_root: Path
    known: dict[tuple[str, str], dict[str, list[float]]] = field(default_factory=dict)

    def of(self, task: str, metric: str, model: str) -> Spread | None:
        """The spread of a metric of one model of a task; None where no model of the task has several seeds.

        `model` is "model/variant", as in the ids of its records.
        """
        if (task, metric) not in self.known:
            self.known[task, metric] = dict(self._several(task, metric))
        return spread(self.known[task, metric], task, model)

    def _several(self, task: str, metric: str) -> Iterator[tuple[str, list[float]]]:
        """The values of the metric by model, of those that have more than one."""
        for table in self.spec.tables.values():
            for name, source in table.sources.items():
                if source.seeds is None or source.flat or (source.folder or name) != task:
                    continue
                for row in table.rows:
                    if table.why_not(row, name) is not None:
                        continue
                    ids = record_ids(table, row, name)
                    paths = [record_path(table, each, self.results_root) for each in ids]
                    found = [
                        look_up(read_record(path, each, table.scale, Record), metric)
                        for path, each in zip(paths, ids, strict=True)
                    ]
                    values = [value for value in found if not isinstance(value, Remark)]
                    if len(values) > 1:
                        yield model_of(ids[0]), values


def spread(several: Mapping[str, Sequence[float]], task: str, model: str) -> Spread | None:
    """The spread of a model of a task by the values of those that have several, by model."""
    others = {name: values for name, values in several.items() if name != model}
    if (own := several.get(model)) is not None and len(own) >= OWN_SEEDS and others:
        from scipy.special import fdtrc

        variance, degrees = _pooled(others)
        mine = squares(own) / (len(own) - 1)
        if variance and fdtrc(len(own) - 1, degrees, mine / variance) < UNUSUAL:
            description = f"{mine**0.5:.2g} (its own, of {len(own)} seeds)"
            return Spread(mine, len(own) - 1, f"{task}/{model}", description)
    variance, degrees = _pooled(several) if several else (0.0, 0)
    if not variance:
        return None
    return Spread(variance, degrees, task, f"{variance**0.5:.2g} (pooled, {degrees} degrees of freedom)")


def model_of(record_id: str) -> str:
    """ "model/variant" of the id of a training."""
    return "/".join(record_id.split("/")[1:-1])


def printed(percent: float, examples: int) -> Spread:
    """The spread that a printed accuracy is given, as the paper tells of no seeds: that of its test set once more.

    In Bouthillier et al. (2021) the variance by the choice of test examples is the larger of the two: a floor that is
    generous to noise, and not zero.
    """
    return Spread(binomial(percent, examples), math.inf, "printed", "as over examples: the paper tells of no seeds")


def _pooled(several: Mapping[str, Sequence[float]]) -> tuple[float, int]:
    """Variance and degrees of freedom of all together, each about its own mean."""
    degrees = sum(len(values) - 1 for values in several.values())
    return math.fsum(squares(values) for values in several.values()) / degrees, degrees


def squares(values: Sequence[float]) -> float:
    """The sum of squared deviations from the mean (the module `statistics` takes fifty times as long)."""
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values)
