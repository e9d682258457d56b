"""The palette: told apart without red-green vision, in greyscale, and against the page."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from hadaptive.paper.figures import style

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
SIGHT = {
    "all cones": np.eye(3),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                              [-0.011820, 0.042940, 0.968881]]),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                            [-0.003882, -0.048116, 1.051998]]),
}  # fmt: skip
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(colour: str, sight: str = "all cones") -> np.ndarray:
    """CIELAB of a colour as it is seen."""
    srgb = np.array(to_rgb(colour))
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    x, y, z = XYZ @ np.clip(SIGHT[sight] @ linear, 0, 1) / np.array([0.95047, 1, 1.08883])
    fx, fy, fz = (np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return np.array([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)])


@pytest.mark.parametrize("sight", SIGHT)
def test_colours_are_told_apart(sight: str) -> None:
    apart = [np.linalg.norm(lab(a, sight) - lab(b, sight)) for a, b in itertools.combinations(style.COLOURS, 2)]
    assert min(apart) > 20  # Okabe and Ito's eight have 18 under deuteranopia by the same measure


def test_greys_are_told_apart() -> None:
    grey = sorted(lab(colour)[0] for colour in style.COLOURS)
    assert min(b - a for a, b in itertools.pairwise(grey)) > 7
    first = sorted(lab(colour)[0] for colour in style.COLOURS[:4])
    assert min(b - a for a, b in itertools.pairwise(first)) > 15
    assert max(grey) < 82, "visible on white"


def test_shapes_differ_too_and_ours_is_one_of_the_colours() -> None:
    assert len(set(style.MARKS)) == len(style.COLOURS) == len(set(style.COLOURS))
    assert style.OURS in style.COLOURS


def test_a_tint_is_lighter_and_ink_has_none() -> None:
    assert style.tint(style.INK) == "white"
    for colour in style.COLOURS[:-1]:
        assert lab(style.tint(colour))[0] > 88 > lab(colour)[0]
