"""Batches of sentences as BERT reads them: [CLS] first [SEP], or [CLS] first [SEP] second [SEP]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hadaptive.data.batches import batch_sizes, epoch_seed
from hadaptive.data.prepared import read_manifest
from hadaptive.data.subset import balanced_subset
from hadaptive.data.text import open_texts


@dataclass(frozen=True)
class Tokens:
    """A batch: word pieces by number, whether each belongs to the second sentence, and where there are any.

    All int64 [B, L]; L is the length of the longest example of the batch, so that little is padding.
    """

    pieces_BL: Tensor
    second_BL: Tensor
    mask_BL: Tensor


def keep(lengths_NS: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Return how many pieces of each sentence stay where an example may have `limit`, its special pieces included.

    Of two sentences the longer loses pieces, from its end, until both together fit ("longest first", as the reference
    tokenizer); where both must, they end equal, the longer (else the second) one piece longer if the room is odd.
    """
    sentences = lengths_NS.shape[1]
    room = limit - 1 - sentences  # [CLS], and a [SEP] each
    if sentences == 1:
        return np.minimum(lengths_NS, np.int64(room))
    first_N, second_N = lengths_NS.T
    half_N = (room + (first_N > second_N)) // 2
    kept_first_N = np.minimum(first_N, np.maximum(room - second_N, half_N))
    kept_second_N = np.minimum(second_N, np.maximum(room - first_N, room - half_N))
    return np.stack((kept_first_N, kept_second_N), axis=1)


class TokenBatches:
    """The batches of a split. `epoch(n)` yields them for epoch n: (Tokens, labels int64 [B]), on the device.

    Training: every example once an epoch in a new order, drawn by (seed, epoch) alone, on the CPU, so epoch n is the
    same to the bit wherever it is run. Evaluation: in the stored order. All examples are kept; see `Batches` for the
    last batch.

    Attributes: `num_classes`, `examples` (in an epoch), `steps` (batches in an epoch), `manifest`, and `commonest`, the
    share of the commonest class.
    """

    def __init__(
        self,
        root: Path,
        manifest: dict[str, Any],
        split: str,
        *,
        word_pieces: int,
        batch_size: int,
        device: torch.device,
        seed: int,
        train: bool,
        examples: int | None,
    ) -> None:
        arrays = open_texts(root, manifest, split)
        self.manifest, self.train, self.seed, self.device = manifest, train, seed, device
        self.num_classes: int = manifest["num_classes"]
        self.flat, self.labels = arrays["pieces"], torch.from_numpy(np.array(arrays["labels"]))
        ends_NS = np.asarray(arrays["ends"]).reshape(len(self.labels), manifest["sentences"])
        lengths = np.diff(ends_NS.reshape(-1), prepend=0)
        self.starts_NS = ends_NS - lengths.reshape(ends_NS.shape)
        self.kept_NS = keep(lengths.reshape(ends_NS.shape), word_pieces)
        chosen = np.arange(len(self.labels)) if examples is None else balanced_subset(self.labels.numpy(), examples)
        self.subset = torch.from_numpy(chosen)
        self.examples = len(self.subset)
        self.commonest = float(torch.bincount(self.labels[self.subset]).max() / self.examples)
        if train and min(self.examples, batch_size) < 2:
            raise ValueError(f"training needs batches of 2 or more, got {batch_size} of {self.examples} examples")
        self.sizes = batch_sizes(self.examples, batch_size, avoid_one=train)
        self.steps = len(self.sizes)

    def epoch(self, epoch: int) -> Iterator[tuple[Tokens, Tensor]]:
        order = self.subset
        if self.train:
            generator = torch.Generator().manual_seed(epoch_seed(self.seed, epoch))
            order = order[torch.randperm(self.examples, generator=generator)]
        for index_B in torch.split(order, self.sizes):
            yield self.batch(index_B.numpy()), self.labels[index_B].to(self.device)

    def batch(self, index_B: NDArray[np.int64]) -> Tokens:
        """Return the examples of these indices."""
        special = self.manifest["vocabulary"]
        sentences = self.kept_NS.shape[1]
        lengths_B = self.kept_NS[index_B].sum(1) + 1 + sentences
        shape = (len(index_B), int(lengths_B.max()))
        pieces_BL, second_BL = np.full(shape, special["pad"], np.int64), np.zeros(shape, np.int64)
        for row, example in enumerate(index_B):
            pieces_BL[row, 0] = special["cls"]
            at = 1
            for number in range(sentences):
                start, count = self.starts_NS[example, number], self.kept_NS[example, number]
                pieces_BL[row, at : at + count] = self.flat[start : start + count]
                pieces_BL[row, at + count] = special["sep"]
                second_BL[row, at : at + count + 1] = number
                at += count + 1
        mask_BL = (np.arange(shape[1]) < lengths_B[:, None]).astype(np.int64)
        return Tokens(*(torch.from_numpy(array).to(self.device) for array in (pieces_BL, second_BL, mask_BL)))


def open_tokens(
    root: Path | str,
    split: Literal["train", "test"],
    *,
    word_pieces: int,
    batch_size: int,
    device: torch.device | str = "cpu",
    seed: int = 0,
    train: bool,
    examples: int | None = None,
) -> TokenBatches:
    """Open a split of the set of sentences that `prepare` wrote to `root`.

    `word_pieces` is the most an example may have, special ones included; `examples` takes a class-balanced subset of
    that size, the same whatever the seed. Raises DataError where the set is not prepared, was changed since, or holds
    no sentences; ValueError for a setting out of range.
    """
    root = Path(root)
    manifest = read_manifest(root)
    if word_pieces < (least := 2 * manifest.get("sentences", 1) + 1):
        raise ValueError(f"word_pieces = {word_pieces}, must be {least} or more")
    return TokenBatches(
        root,
        manifest,
        split,
        word_pieces=word_pieces,
        batch_size=batch_size,
        device=torch.device(device),
        seed=seed,
        train=train,
        examples=examples,
    )
