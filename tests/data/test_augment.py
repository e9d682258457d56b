"""The two matrix products against the recipe done step by step, in float64, one image at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from hadaptive.data.augment import Augment, resize_matrix

MEAN, STD = [0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762]
CPU = torch.device("cpu")
SIDE = st.integers(2, 20)


def reference(image_CHW: Tensor, size: int, pad: int, top: int, left: int, flip: bool) -> Tensor:
    x = image_CHW.double()[None] / 255
    x = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
    x = F.pad(x, (pad, pad, pad, pad))[0, :, top : top + size, left : left + size]
    if flip:
        x = x.flip(-1)
    mean, std = (torch.tensor(values, dtype=torch.float64)[:, None, None] for values in (MEAN, STD))
    return (x - mean) / std


@settings(max_examples=40)
@given(SIDE, SIDE, st.integers(2, 40), st.integers(0, 5), st.integers(1, 5), st.integers(0, 999))
def test_agrees_with_the_steps_in_float64(height: int, width: int, size: int, pad: int, batch: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (batch, 3, height, width), generator=generator, dtype=torch.uint8)
    top, left = torch.randint(2 * pad + 1, (2, batch), generator=generator)
    flip = torch.rand(batch, generator=generator) < 0.5
    out = Augment((height, width), size, MEAN, STD, pad, CPU)(images, top, left, flip)
    expected = torch.stack(
        [reference(images[b], size, pad, int(top[b]), int(left[b]), bool(flip[b])) for b in range(batch)]
    )
    torch.testing.assert_close(out.double(), expected, atol=1e-5, rtol=0)
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("source", "size"), [(32, 64), (32, 224), (8, 64), (64, 32), (32, 32)])
def test_resizes_as_pillow_does(source: int, size: int) -> None:
    pixels = np.random.default_rng(0).integers(256, size=(source, source), dtype=np.uint8)
    by_pillow = np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR)).astype(float)
    matrix = resize_matrix(size, source).double().numpy()
    assert np.abs(matrix @ pixels @ matrix.T - by_pillow).max() < 1.01  # Pillow rounds after either axis


def test_rows_of_the_resize_matrix_sum_to_one() -> None:
    torch.testing.assert_close(resize_matrix(64, 8).sum(1), torch.ones(64))
    torch.testing.assert_close(resize_matrix(32, 32), torch.eye(32))


def test_padding_is_black_and_stays_full_precision_under_autocast() -> None:
    white = torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)
    zero = torch.zeros(1, dtype=torch.int64)
    with torch.autocast("cpu", torch.bfloat16):
        out = Augment((4, 4), 8, MEAN, STD, 2, CPU)(white, zero, zero, zero.bool())
    assert out.dtype == torch.float32
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    torch.testing.assert_close(out[0, :, 0, 0], -mean / std)
    torch.testing.assert_close(out[0, :, 7, 7], (1 - mean) / std)


def test_without_a_resize_a_gather_gives_the_bits_of_the_products() -> None:
    images = torch.randint(256, (9, 3, 12, 12), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    top, left = torch.arange(9), torch.arange(9).flip(0)
    augment = Augment((12, 12), 12, MEAN, STD, 4, CPU)
    gathered = augment(images, top, left, top % 2 == 0)
    assert not augment.resizes and gathered.is_contiguous(memory_format=torch.channels_last)
    augment.resizes = True
    assert torch.equal(gathered, augment(images, top, left, top % 2 == 0))
