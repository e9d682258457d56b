"""The numbers beside a map, by maps whose numbers are known; and where a net focuses."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hadaptive.explain.focus import GRID, Numbers, counted, focuses_at, numbers

ON, OFF, WIDE, ZERO = Numbers(0.3, 0.1, True), Numbers(0.3, 0.1, False), Numbers(0.9, 0.5, True), Numbers()


def spot(row: int, column: int) -> Tensor:
    cam = torch.zeros(GRID, GRID, dtype=torch.float64)
    cam[row, column] = 3.0
    return cam


@pytest.mark.parametrize("side", [1, 2, 7, 8, 32, 112])
def test_a_uniform_map_is_nowhere_in_particular(side: int) -> None:
    found = numbers(torch.full((side, side), 0.2), None)
    assert found.entropy == pytest.approx(1) and found.area == 1 and found.on_subject is None
    assert not found.focused


def test_a_spot_is_all_there_is() -> None:
    found = numbers(spot(2, 5), (0.6, 0.2, 0.8, 0.4))
    assert found == Numbers(pytest.approx(0), 1 / GRID**2, True) and found.focused


def test_a_texture_finer_than_the_grid_is_spread_out() -> None:
    cam = torch.zeros(64, 64)
    cam[::4, ::4] = 1.0
    found = numbers(cam, None)
    assert found.area is not None and found.area > 0.7 and found.entropy is not None and found.entropy > 0.98


@given(st.integers(1, 24), st.integers(0, 2**31), st.floats(1e-3, 1e3))
def test_numbers_are_parts_of_one_and_know_no_unit(side: int, seed: int, unit: float) -> None:
    cam = torch.rand(side, side, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found, scaled = numbers(cam, None), numbers(unit * cam, None)
    assert found.entropy is not None and found.area is not None and scaled.entropy is not None
    assert 0 <= found.entropy <= 1 + 1e-12 and 0 < found.area <= 1
    assert scaled.entropy == pytest.approx(found.entropy)


@pytest.mark.parametrize(
    ("box", "inside"),
    [((0.0, 0.0, 1.0, 1.0), True), ((0.62, 0.24, 0.63, 0.26), True), ((0.0, 0.0, 0.62, 1.0), False),
     ((0.76, 0.0, 1.0, 1.0), False), ((0.0, 0.38, 1.0, 1.0), False), ((0.0, 0.0, 1.0, 0.24), False)],
)  # fmt: skip
def test_the_greatest_cell_is_in_the_box_or_not(box: tuple[float, ...], inside: bool) -> None:
    assert numbers(spot(2, 5), box).on_subject is inside  # the cell from 0.625 to 0.75, and from 0.25 to 0.375
    assert numbers(spot(2, 5), box).focused is inside


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
def test_a_map_of_nothing_has_no_numbers(value: float) -> None:
    assert numbers(torch.full((4, 4), value), (0, 0, 1, 1)) == ZERO and not ZERO.focused


@pytest.mark.parametrize(
    ("maps", "at"),
    [([ON, ON, ON, WIDE], 1), ([WIDE, ON, ON, WIDE], 2), ([ON, WIDE, ON, WIDE], 3), ([ON, ON, WIDE, ON], None),
     ([ON, OFF, ON, ON], 3), ([ON, ZERO, ON, ON], 3), ([WIDE, WIDE, WIDE, ON], None)],
)  # fmt: skip
def test_a_net_focuses_from_where_all_maps_are_focused_before_the_last_halving(
    maps: list[Numbers], at: int | None
) -> None:
    assert focuses_at(maps, [True, False, False, True]) == at


def test_without_downsampling_all_layers_count() -> None:
    assert counted([False, False]) == 2 and counted([True, False, True, False]) == 2 and counted([True, False]) == 2
    assert focuses_at([WIDE, ON], [False, False]) == 2
