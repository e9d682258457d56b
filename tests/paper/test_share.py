"""Checklists answer from records or say why not; the RO-Crate passes an independent validator, without a network."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import requests
import rocrate

from hadaptive.errors import UserError
from hadaptive.paper import files
from hadaptive.paper.bundle import crate
from hadaptive.paper.bundle.checklists import acm, ml
from hadaptive.paper.bundle.checklists.facts import Facts, Unanswered, gather
from hadaptive.paper.bundle.checklists.text import text

ROOT = Path(__file__).resolve().parents[2]


def a_training(seed: int, status: str = "done") -> dict[str, Any]:
    return {
        "schema": 1, "scale": "cpu", "kind": "training", "status": status, "id": f"cifar100/net/base/seed{seed}",
        "wall_s": 90.0,
        "run": {"task": "cifar100", "model": "net", "variant": "base", "dataset": "cifar100", "seed": seed,
                "recipe": {"epochs": 10, "lr": 0.001, "image_size": 64}},
        "metrics": {"top1_last": 50.0}, "model": {"parameters": 2_000_000}, "data": {"train_examples": 20_000},
        "checkpoints": {"last": {"sha256": "a" * 64}, "best": {"sha256": "b" * 64}},
        "finished": f"2026-11-2{seed}T10:00:00Z",
        "environment": {"device": "cuda: A | <b>GPU</b>", "processor": "A processor", "cores": 8, "python": "3.12.1",
                        "system": "Linux x86_64", "packages": {"torch": "2.11.0"}, "git_commit": "0123456789abcdef",
                        "git_dirty": False},
    }  # fmt: skip


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    """Two trainings done, one diverged, one missing; a prepared data set."""
    paths = []
    for seed, status in enumerate(("done", "done", "diverged at epoch 3")):
        paths.append(tmp_path / f"{seed}.json")
        paths[-1].write_text(json.dumps(a_training(seed, status)))
    manifest = tmp_path / "cifar100/manifest.json"
    manifest.parent.mkdir()
    manifest.write_text(
        json.dumps(
            {
                "counts": {"train": 50000, "test": 10000},
                "source": "https://example.org/cifar.tar.gz",
                "sha256": "ab" * 32,
                "files": {"train.npy": {"bytes": 150_000_000}},
            }
        )
    )
    return gather("cpu", "CIFAR-100, 64 px", False, [*paths, tmp_path / "missing.json"], [manifest])


def test_answers_come_from_the_records(facts: Facts) -> None:
    said = text(facts)
    for expected in (
        "4 checkpoints",
        "seeds 0, 1, 2",
        "2 trainings, 1.5 min each on average, 3 min together",
        "3 records: 3 of training; not done: 1: diverged at epoch 3; 1 asked for and not run",
        "cifar100: 50000 train, 10000 test; from https://example.org/cifar.tar.gz",
        "Python 3.12.1, torch 2.11.0",
        "32 MB of checkpoints",
        "150 MB of prepared data",
        "epochs 10",
        "commit 0123456789ab",
        "scale=cpu",
        "*not answered*: a DOI is given by an archive",
    ):
        assert expected in said, expected
    assert "<b>" not in said and "A \\| &lt;b>GPU" in said, "what a record holds cannot break the table"
    assert "emonstration" not in said and "emonstration" in text(gather("demo", "digits", True, [], []))


def test_every_question_is_there_and_without_records_none_is_made_up() -> None:
    empty = gather("paper", "nothing", False, [], [])
    for checklist, count in ((acm, 22), (ml, 21)):
        items = [item for part in checklist.sections(empty).values() for item in part]
        assert len(items) == count
        answered = " ".join(answer for _, answer in items if not isinstance(answer, Unanswered))
        assert not re.search(r"\d+ (trainings|records|models|checkpoints)", answered)
    assert text(empty).count("*not answered*") > 12


def test_files_that_answers_point_to_are_there(facts: Facts) -> None:
    for path in re.findall(r"`((?:hadaptive|kernels|README|pyproject)[\w/.]*)`", text(facts)):
        if path != "hadaptive":
            assert (ROOT / path).exists(), path


class _Shipped:
    """Answers the validator's requests with the context that the crate library ships, and nothing else."""

    def get(self, url: str, **_: Any) -> requests.Response:
        response = requests.Response()
        response.url, response.status_code = url, 504
        if url == "https://w3id.org/ro/crate/1.3/context":
            shipped = Path(rocrate.__file__).parent / "data/ro-crate.jsonld"
            response.status_code, response._content = 200, shipped.read_bytes()
            response.headers["Content-Type"] = "application/ld+json"
        return response

    head = get


def problems(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the RO-Crate validator finds that the specification requires."""
    from rocrate_validator.models import Severity
    from rocrate_validator.services import ValidationSettings, validate
    from rocrate_validator.utils.http import HttpRequester

    for name in ("get", "head"):
        monkeypatch.setattr(HttpRequester, name, getattr(_Shipped, name), raising=False)
    settings = ValidationSettings(
        rocrate_uri=str(folder), profile_identifier="ro-crate-1.3", requirement_severity=Severity.REQUIRED
    )
    return [str(issue.message) for issue in validate(settings).get_issues()]


@pytest.fixture
def bundle(facts: Facts, tmp_path: Path) -> Path:
    folder = tmp_path / "paper_tables"
    folder.mkdir()
    for name in ("table7.tex", "table7.md", "figure3.pdf", "claims.csv"):
        (folder / name).write_text(name)
    crate.describe(folder.iterdir(), facts, folder)
    return folder


# rdflib and its companions warn of their own ways
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::UserWarning")
def test_the_crate_is_valid_and_a_spoilt_one_is_not(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems(bundle, monkeypatch) == []
    described = bundle / files.CRATE
    described.write_text(described.read_text().replace('"datePublished"', '"published"'))
    assert any("datePublished" in problem for problem in problems(bundle, monkeypatch))


def test_the_crate_names_files_paper_data_and_tool(bundle: Path, facts: Facts) -> None:
    graph = {each["@id"]: each for each in json.loads((bundle / files.CRATE).read_text())["@graph"]}
    assert {part["@id"] for part in graph["./"]["hasPart"]} == {path.name for path in bundle.iterdir()} - {files.CRATE}
    assert graph["table7.md"]["contentSize"] == "9" and len(graph["table7.md"]["sha256"]) == 64
    assert graph["./"]["datePublished"] == "2026-11-22T10:00:00Z"
    assert graph["#paper"]["@type"] == "ScholarlyArticle" and len(graph["#paper"]["author"]) == 5
    assert graph["#data-cifar100"]["identifier"] == "sha256:" + "ab" * 32
    again = crate.describe([bundle / "table7.md"], facts, bundle).read_bytes()
    assert crate.describe([bundle / "table7.md"], facts, bundle).read_bytes() == again


def test_a_missing_file_is_named(facts: Facts, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="table9"):
        crate.describe([tmp_path / "table9.md"], facts, tmp_path)
