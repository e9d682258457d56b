"""A hundred mutated params.yaml files: each plans, or gives one clear error; never a traceback."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hadaptive import config
from hadaptive.errors import UserError
from hadaptive.paper.spec import records_needed
from hadaptive.study import Study
from hadaptive.study.measures import inputs
from hadaptive.study.runs import trainer_code
from tests.workflow.conftest import Project

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "params.yaml").read_text()
VALUES = yaml.safe_load(TEXT)
ODD = (
    None, True, -1, 0, 1, 2**70, 0.5, float("nan"), float("inf"), "", "all", "x", "ü/..", "1e-3", "a\nb", "2026-11-20",
    [], [None], [[]], [0, "1"], {}, {"x": 1}, {1: 2}, {None: None}, "hadaptive_net_s", ["hadaptive_net_s"] * 2,
)  # fmt: skip


def places(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every key and item."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path for key, value in items for path in ((*at, key), *places(value, (*at, key)))]


def mutated(seed: int) -> str:
    """The project's params.yaml after one to three random changes, as text."""
    draw = random.Random(seed)
    values = copy.deepcopy(VALUES)
    for _ in range(draw.randint(1, 3)):
        *parents, key = draw.choice(places(values))
        parent = values
        for part in parents:
            parent = parent[part]
        kind = draw.choice(("delete", "rename", "value", "value", "move", "shuffle"))
        if kind == "delete":
            del parent[key]
        elif kind == "rename" and isinstance(parent, dict):
            text = str(key)
            cut = draw.randrange(len(text) + 1)
            new = draw.choice((text[:cut] + text[cut + 1 :], text[:cut] + "_" + text[cut:], 7, None, "", text.upper()))
            parent[new] = parent.pop(key)
        elif kind == "move":
            *others, last = draw.choice(places(values))
            target = values
            for part in others:
                target = target[part]
            target[last] = copy.deepcopy(parent[key])
        elif kind == "shuffle" and isinstance(parent[key], list):
            parent[key] = [*parent[key], *parent[key]]
        else:
            parent[key] = draw.choice(ODD)
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    lines = text.splitlines(keepends=True)
    if draw.random() < 0.15:  # a line twice, lost, or broken: keys repeat, YAML breaks
        number = draw.randrange(len(lines))
        lines[number : number + 1] = draw.choice(
            ([lines[number]] * 2, [], [lines[number].replace(":", "", 1)], ["\t{\n"])
        )
    return "".join(lines)


def plan(text: str, folder: Path) -> str | None:
    """Plan as the workflow does; the error's message, None where it plans. Any other exception comes through."""
    path = folder / "params.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        params = config.load(path)
    except UserError as error:
        return str(error)
    study = Study(params)
    for run in study.runs.values():
        assert type(run).model_validate_json(run.dumps()) == run, "what the trainer reads is what was planned"
        trainer_code(run)
    for measure in study.measures.values():
        measure.dumps()
        inputs(measure)
    records_needed(study.bundle)
    return None


@given(seed=st.integers(0, 2**32))
def test_a_mutated_file_plans_or_gives_one_clear_error(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    message = plan(mutated(seed), tmp_path_factory.getbasetemp())
    if message is not None:
        assert "params.yaml" in message and len(message) < 4000, message
        assert not any(word in message for word in ("Traceback", "pydantic")), message


def test_mutations_are_of_both_kinds(tmp_path: Path) -> None:
    found = [plan(mutated(seed), tmp_path) is None for seed in range(40)]
    assert 1 < sum(found) < 36


@pytest.mark.slow
def test_some_through_the_real_workflow(fresh: Project) -> None:
    for seed in range(10):
        (fresh.folder / "params.yaml").write_text(mutated(seed), encoding="utf-8")
        expected = plan(mutated(seed), fresh.folder)
        output = fresh.run("snakemake -n --quiet", ok=expected is None)
        assert "Traceback" not in output, f"seed {seed}: {output[-3000:]}"
        if expected is not None:
            assert expected.splitlines()[0].rpartition("params.yaml")[2] in output, f"seed {seed}: {output[-3000:]}"
