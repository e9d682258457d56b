"""Which test examples a model gets right: the evidence that comparisons of models rest on.

Detection has no such thing: average precision is no mean over images, and what it is computed from, every box with its
score, takes megabytes for each training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hadaptive.record.bitmap import pack

NAME = "outcomes"  # of the entry among an evaluation's metrics, and of the record's part


def outcomes(right: Sequence[Tensor], labels: Sequence[Tensor], classes: int) -> dict[str, Any]:
    """The outcomes of an evaluation, as the record holds them (`hadaptive.record.trainings.Outcomes`).

    `right` and `labels` are the batches' bool (B,) and int64 (B,), in order, on any device; they are moved here once.
    """
    right_N, labels_N = (torch.cat(list(batches)).cpu().numpy() for batches in (right, labels))
    examples_K = np.bincount(labels_N, minlength=classes)
    right_K = np.bincount(labels_N[right_N], minlength=classes)
    return {
        "examples": len(right_N),
        "right": pack(np.packbits(right_N).tobytes()),
        "labels_sha256": hashlib.sha256(labels_N.astype("<i8").tobytes()).hexdigest(),
        "top1_per_class": [
            round(100 * int(count) / int(of), 2) if of else None for count, of in zip(right_K, examples_K, strict=True)
        ],
    }
