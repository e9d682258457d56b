"""Bitmaps of outcomes: packed, bounded in size, refused where they are none."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from hadaptive.record import Damaged, find
from hadaptive.record.bitmap import count, pack, unpack
from hadaptive.record.trainings import Outcomes
from tests.records import completed, put


@pytest.mark.parametrize("examples", [1, 7, 8, 872, 10_000])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5, 1.0])
def test_it_comes_out_as_it_went_in(examples: int, share: float) -> None:
    right_N = np.random.default_rng(0).random(examples) < share
    bits = np.packbits(right_N).tobytes()
    text = pack(bits)
    assert unpack(text, examples) == bits and count(bits) == right_N.sum()
    assert len(text) <= 1.25 * (examples / 8 + 17) + 1
    assert examples < 10_000 or len(text) < 2_000


@pytest.mark.parametrize(
    ("text", "examples", "said"),
    [
        (pack(bytes(4)), 40, "of 40 examples"),
        (pack(bytes(2**20)), 8, "of 8 examples"),
        (pack(b"\xff"), 7, "beyond the last"),
        ("abcde", 8, "not a compressed bitmap"),
    ],
)
def test_what_is_no_bitmap_of_so_many_is_refused(text: str, examples: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        unpack(text, examples)


def record(**outcomes: Any) -> dict[str, Any]:
    right = {"examples": 16, "right": pack(b"\xf0\x0f"), "labels_sha256": hashlib.sha256(b"").hexdigest()}
    return {
        "id": "cifar100/net/base/seed0",
        "scale": "cpu",
        "metrics": {"top1_last": 50.0},
        "outcomes": {**right, **outcomes},
    }


def test_a_record_s_outcomes_are_those_of_its_accuracy(tmp_path: Any) -> None:
    good = find(put(tmp_path, record()))
    assert not isinstance(good, Damaged)
    assert Outcomes.model_validate(good.raw["outcomes"]).top1 == 50.0
    for wrong in ({"right": pack(b"\xff\xff")}, {"right": "no bitmap"}, {"examples": 0}):
        damaged = find(put(tmp_path, record(**wrong)))
        assert isinstance(damaged, Damaged) and "outcomes" in damaged.what
    older = {name: value for name, value in completed(record()).items() if name != "outcomes"}
    assert getattr(find(put(tmp_path, older)), "outcomes", 0) is None
