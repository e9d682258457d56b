"""A batch in pieces: those of one process among several, and those that fit into memory. The step stays that of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from torch import Tensor, nn

from hadaptive.train import ranks

Loss = Callable[[nn.Module, Any, Any], tuple[Tensor, Tensor | None]]


@dataclass
class Pieces:
    """How batches are cut, if they may be. `most` examples go through the net at once; None: all of a process's."""

    divisible: bool = True
    most: int | None = None
    largest: int = 0  # piece so far

    def halve(self) -> bool:
        """Cut pieces to half of what was too large. False where less than 2 would be left, which batch normalisation
        cannot train on, or where several processes would have to agree on it."""
        if not self.divisible or ranks.count() > 1 or self.largest < 4:
            return False
        self.most, self.largest = self.largest // 2, 0
        return True

    def backward(self, net: nn.Module, loss: Loss, x: Any, y: Any) -> tuple[Tensor, Tensor | None]:
        """Add the gradient of the batch's mean loss, of this process's share of it, piece by piece.

        Returns the sum of the losses of this process's examples, and how many of them are right (None: not counted).
        Equal to the whole batch at once, but for rounding, for batch normalisation, which sees a piece, and for losses
        that are no mean over examples (detection's is one over matched boxes).
        """
        examples, (start, stop) = len(y), share(len(y))
        mine = stop - start
        sizes = sizes_of(max(mine, 1), self.most)
        loss_sum: Tensor | None = None
        right: Tensor | None = None
        for number, size in enumerate(sizes):
            self.largest = max(self.largest, size)
            whole = size == examples
            # a process left without examples still takes part, with one that weighs nothing
            begin = start if mine else 0
            x_piece, y_piece = (x, y) if whole else (cut(x, begin, begin + size), cut(y, begin, begin + size))
            start += size
            with ranks.alone(net, averaging=number == len(sizes) - 1):
                piece_loss, piece_right = loss(net, x_piece, y_piece)
                counts = size if mine else 0
                weight = counts * ranks.count() / examples  # the processes' gradients are averaged
                (piece_loss if weight == 1.0 else piece_loss * weight).backward()  # type: ignore[no-untyped-call]
            loss_sum = _plus(loss_sum, piece_loss.detach() * counts)
            right = None if piece_right is None else _plus(right, piece_right if mine else piece_right * 0)
        assert loss_sum is not None
        return loss_sum, right


def _plus(so_far: Tensor | None, more: Tensor) -> Tensor:
    return more if so_far is None else so_far + more


def share(examples: int) -> tuple[int, int]:
    """The examples of a batch that are this process's: from, to. All of them where it is the only one."""
    return examples * ranks.rank() // ranks.count(), examples * (ranks.rank() + 1) // ranks.count()


def sizes_of(examples: int, most: int | None) -> list[int]:
    """Sizes of pieces of at most `most` examples, as equal as can be, none of one example where two can be had."""
    if most is None or examples <= most:
        return [examples]
    number = max(1, min(-(-examples // most), examples // 2))
    return [examples * (n + 1) // number - examples * n // number for n in range(number)]


def cut(values: Any, start: int, stop: int) -> Any:
    """Examples of a batch's inputs or targets: of tensors and lists by index, of what holds such (a tuple, a mapping, a
    dataclass) each."""
    if is_dataclass(values) and not isinstance(values, type):
        return replace(values, **{each.name: cut(getattr(values, each.name), start, stop) for each in fields(values)})
    if isinstance(values, Mapping):
        return {key: cut(value, start, stop) for key, value in values.items()}
    if isinstance(values, tuple):
        return tuple(cut(value, start, stop) for value in values)
    return values[start:stop]
