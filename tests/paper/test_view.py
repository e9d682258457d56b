"""Numbers as they are printed, the best of a group, marks of footnotes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hadaptive.paper.cells import Cell
from hadaptive.paper.tables.view import best, letters, number

MAYBE = st.none() | st.floats(0, 100)


def cells(values: list[float | None]) -> list[Cell]:
    return [Cell.empty("not run") if value is None else Cell(value, n=1) for value in values]


@given(st.floats(-1e6, 1e6), st.integers(0, 4), st.booleans())
def test_number_is_within_half_a_unit_of_the_last_digit(value: float, digits: int, signed: bool) -> None:
    text = number(value, digits, signed)
    assert abs(float(text.replace("\N{MINUS SIGN}", "-")) - value) <= 0.5000001 * 10**-digits
    assert len(text.partition(".")[2]) == digits
    assert "-" not in text


def test_zero_has_no_sign() -> None:
    assert number(-0.001, 2, signed=True) == number(0.001, 2, signed=True) == "0.00"
    assert number(-0.2, 0) == "0"
    assert [number(v, 2, signed=True) for v in (1.5, -1.5)] == ["+1.50", "\N{MINUS SIGN}1.50"]


@given(st.lists(st.tuples(MAYBE, st.integers(0, 2)), max_size=12))
def test_the_best_are_the_greatest_printed_of_their_group(rows: list[tuple[float | None, int]]) -> None:
    rows.sort(key=lambda row: row[1])
    values, groups = [row[0] for row in rows], [row[1] for row in rows]
    bold = best(cells(values), groups, 2)
    for group in set(groups):
        members = [(value, b) for value, g, b in zip(values, groups, bold, strict=True) if g == group]
        measured = [value for value, _ in members if value is not None]
        chosen = [number(value, 2) for value, b in members if b and value is not None]
        assert sum(b for _, b in members) == len(chosen)  # an empty cell is never bold
        if len(measured) < 2:
            assert chosen == []
        else:
            greatest = number(max(measured), 2)
            assert set(chosen) == {greatest}
            assert len(chosen) == [number(value, 2) for value in measured].count(greatest)


def test_what_looks_equal_ties() -> None:
    assert best(cells([73.571, 73.574, 73.5]), [1, 1, 1], 2) == [True, True, False]
    assert best(cells([73.57, None, 60.0]), [1, 1, 2], 2) == [False, False, False]


def test_letters_go_on_after_z() -> None:
    assert [letters(n) for n in (0, 25, 26, 27, 701, 702)] == ["a", "z", "aa", "ab", "zz", "aaa"]
    assert len({letters(n) for n in range(2000)}) == 2000
