"""A batch in micro-batches: a process's shard of it, cut to what fits into memory. The step stays the whole batch's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from torch import Tensor, nn

from hadaptive.train import ranks

Loss = Callable[[nn.Module, Any, Any], tuple[Tensor, Tensor | None]]


@dataclass
class MicroBatches:
    """How batches are cut, if they may be. `most` examples go through the model at once; None: the whole shard."""

    divisible: bool = True
    most: int | None = None
    largest: int = 0  # micro-batch so far

    def halve(self) -> bool:
        """Halve the micro-batch that was too large. False where less than 2 would be left, which batch normalisation
        cannot train on, or where several processes would have to agree on it."""
        if not self.divisible or ranks.world_size() > 1 or self.largest < 4:
            return False
        self.most, self.largest = self.largest // 2, 0
        return True

    def backward(self, model: nn.Module, loss: Loss, x: Any, y: Any) -> tuple[Tensor, Tensor | None]:
        """Add the gradient of the batch's mean loss: of this process's shard, one micro-batch at a time.

        Returns the sum of the losses of this process's examples, and how many of them are correct (None: not counted).
        Equal to the whole batch at once, except for rounding, batch normalisation, which sees a micro-batch, and losses
        that are no mean over examples (detection's is one over matched boxes).
        """
        examples, (start, stop) = len(y), shard(len(y))
        own = stop - start
        sizes = sizes_of(max(own, 1), self.most)
        loss_sum: Tensor | None = None
        correct: Tensor | None = None
        for number, size in enumerate(sizes):
            self.largest = max(self.largest, size)
            whole = size == examples
            # a process left without examples still takes part, with one that weighs nothing
            begin = start if own else 0
            x_part, y_part = (x, y) if whole else (cut(x, begin, begin + size), cut(y, begin, begin + size))
            start += size
            with ranks.no_sync(model, averaging=number == len(sizes) - 1):
                part_loss, part_correct = loss(model, x_part, y_part)
                counts = size if own else 0
                weight = counts * ranks.world_size() / examples  # the processes' gradients are averaged
                (part_loss if weight == 1.0 else part_loss * weight).backward()  # type: ignore[no-untyped-call]
            loss_sum = _plus(loss_sum, part_loss.detach() * counts)
            correct = None if part_correct is None else _plus(correct, part_correct if own else part_correct * 0)
        assert loss_sum is not None
        return loss_sum, correct


def _plus(so_far: Tensor | None, more: Tensor) -> Tensor:
    return more if so_far is None else so_far + more


def shard(examples: int) -> tuple[int, int]:
    """Return the range of a batch's examples that this process takes: all of them where it is the only one."""
    return examples * ranks.rank() // ranks.world_size(), examples * (ranks.rank() + 1) // ranks.world_size()


def sizes_of(examples: int, most: int | None) -> list[int]:
    """Return sizes of at most `most` examples, as equal as can be, none of one example where two can be had."""
    if most is None or examples <= most:
        return [examples]
    number = max(1, min(-(-examples // most), examples // 2))
    return [examples * (n + 1) // number - examples * n // number for n in range(number)]


def cut(values: Any, start: int, stop: int) -> Any:
    """Slice a batch's inputs or targets by example: tensors and lists, in tuples, mappings and dataclasses too."""
    if is_dataclass(values) and not isinstance(values, type):
        return replace(
            values, **{field.name: cut(getattr(values, field.name), start, stop) for field in fields(values)}
        )
    if isinstance(values, Mapping):
        return {key: cut(value, start, stop) for key, value in values.items()}
    if isinstance(values, tuple):
        return tuple(cut(value, start, stop) for value in values)
    return values[start:stop]
