"""Search spaces: those of params.yaml are the paper's, and one that cannot be built names layer and candidate."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hadaptive import config
from hadaptive.errors import UserError
from hadaptive.paper.published import published
from hadaptive.search.supernet import SuperNet
from hadaptive.space import Space
from tests.search.conftest import SMALL

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "params.yaml").read_text()
PARAMS = config.load(ROOT / "params.yaml")


@pytest.mark.parametrize("table", ["table3", "table10", "table11", "table12"])
def test_the_spaces_are_those_of_the_tables(table: str) -> None:
    space, printed = PARAMS.search[table], published(table)
    assert [str(layer.out) for layer in space.layers] == [row["channels"] for row in printed.values()]
    columns = [name for name in next(iter(printed.values())) if name not in ("channels", "downsampling")]
    assert space.in_search() == columns
    for number, row in printed.items():
        offered = set(space.layers[int(number)].choose) if int(number) in space.searched() else set()
        assert offered == {name for name in columns if row[name]}, f"layer {number}"
    assert [n for n, layer in enumerate(space.layers) if layer.stride == 2] == [0, 1, 3, 5, 11]


@pytest.mark.parametrize("table", ["table3", "table10", "table11", "table12"])
@pytest.mark.parametrize("size", [32, 64, 224])
def test_the_spaces_can_be_built_at_every_size_in_use(table: str, size: int) -> None:
    assert not list(PARAMS.search[table].problems()) and not list(PARAMS.search[table].shapes(size))


def test_the_same_space_is_the_same_whatever_the_order_of_its_keys() -> None:
    for name, space in PARAMS.search.items():
        dumped = json.dumps(space.model_dump(mode="json"), sort_keys=True)
        again = Space.model_validate_json(dumped)
        assert again.model_dump_json() == space.model_dump_json() and again.in_search() == space.in_search(), name


def test_sizes_are_foretold_as_the_modules_make_them(space: Space) -> None:
    values = copy.deepcopy(SMALL)
    values["candidates"]["ghost"]["kernel"] = 2
    values["layers"][1]["choose"] = ["ghost", "ach_k5"]  # kernels 2 and 5 at stride 2 differ for an odd size
    odd = Space.model_validate(values)
    net = SuperNet(odd, 10).eval()
    x = torch.randn(1, 3, 38, 38)
    stem = net.layers[0][0](x)  # 19 x 19
    sizes = {module(stem).shape[-1] for module in net.layers[1]}
    assert sizes == {9, 10}
    ((at, said),) = odd.shapes(38)
    assert at == ("layers", "1") and "'ghost' 9 px, 'ach_k5' 10 px" in said
    assert not list(odd.shapes(40))
    assert "nothing is left of images of 1 px" in next(iter(space.shapes(1)))[1]


@pytest.mark.parametrize(
    ("change", "at", "said"),
    [
        (lambda v: v["layers"][2].update(choose=[]), ("layers", "2", "choose"), "layer 2 (12 to 12 channels) has no"),
        (lambda v: v["layers"][3]["choose"].append("blank"), ("layers", "3"), "(12 to 16 channels), candidate 'blank'"),
        (lambda v: v["layers"][1]["choose"].append("blank"), ("layers", "1"), "'blank': blank passes its input on"),
        (lambda v: v["layers"][2].update(choose=["blank"]), ("layers", "2", "choose"), "nothing but blank; leave the"),
        (lambda v: v["layers"][2].update(choose=["ghots"]), ("layers", "2", "choose"), "unknown candidate 'ghots'"),
        (lambda v: v["layers"][3].update(choose=["ghost"] * 2), ("layers", "3", "choose"), "names a candidate twice"),
        (lambda v: v["candidates"]["ach_k3"].update(k=20), ("layers", "2"), "candidate 'ach_k3': k = 20 of 12 input"),
        (lambda v: v["candidates"]["ghost"].pop("expansion"), ("layers", "1"), "'ghost': no expansion; give it to"),
        (lambda v: v["layers"][3].pop("kernel"), ("layers", "3"), "candidate 'ghost': no kernel"),
    ],
)
def test_what_cannot_be_built_is_named(change: Callable[[Any], Any], at: tuple[str, ...], said: str) -> None:
    values = copy.deepcopy(SMALL)
    change(values)
    found = list(Space.model_validate(values).problems())
    assert found[0][0] == at and said in found[0][1], found


def problem(tmp_path: Path, old: str, new: str, where: str = "") -> tuple[str, int]:
    """The message for params.yaml with a change, and the line of the change."""
    start = TEXT.index(where)
    place = TEXT.index(old, start)
    path = tmp_path / "params.yaml"
    path.write_text(TEXT[:place] + new + TEXT[place + len(old) :])
    with pytest.raises(UserError) as caught:
        config.load(path)
    return str(caught.value).replace(str(tmp_path) + "/", ""), TEXT[:place].count("\n") + 1


@pytest.mark.parametrize(
    ("where", "old", "new", "said"),
    [
        ("table12:", "choose: [ach16, ach32, blank]", "choose: []", "search.table12.layers.6.choose: layer 6 (96"),
        ("table10:", "[ghost_k3, ach_k5]", "[ghost_k3, ach_k6]", "search.table10.layers.4.choose: layer 4 (64 to 64"),
        (
            "table10:",
            "{out: 96, stride: 2, expansion: 4.0, choose: [ghost_k2,",
            "{out: 96, stride: 2, expansion: 4.0, choose: [blank, ghost_k2,",
            "search.table10.layers.5: layer 5 (64 to 96 channels), candidate 'blank'",
        ),
        (
            "scales:",
            "image_size: 32, batch_size: 16, train_examples: 320, flip: false, lr_a",
            "image_size: 38, batch_size: 16, train_examples: 320, flip: false, lr_a",
            "layer 3: candidates give maps of different sizes from 9 px ('ghost_k2' 4 px, 'ghost_k3' 5 px",
        ),
    ],
)
def test_a_mistake_in_params_names_its_line(tmp_path: Path, where: str, old: str, new: str, said: str) -> None:
    message, line = problem(tmp_path, old, new, where)
    assert said in message and len(message.splitlines()) == 1
    if where != "scales:":
        assert message.startswith(f"params.yaml:{line}: ")
