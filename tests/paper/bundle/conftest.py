"""A whole bundle at scale demo: every table and figure there is, with records of random numbers, some of them odd."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from PIL import Image

from hadaptive import config
from hadaptive.paper import files
from hadaptive.paper.claims.report import write as write_claims
from hadaptive.paper.claims.statements import judge
from hadaptive.paper.spec import BundleSpec, record_ids
from hadaptive.paper.tables.render import render
from hadaptive.records import write_text
from hadaptive.study import Study
from tests.paper.conftest import a_record
from tests.records import put_sealed

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = "</script><img src=x onerror=alert(1)>&amp;"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True)
class Made:
    """A bundle's spec, the records, and the folder that outputs stand in."""

    spec: BundleSpec
    results: Path
    out: Path

    def record(self, record_id: str) -> Path:
        return self.results / self.spec.scale / record_id / "record.json"


def study(**changes: object) -> Study:
    return Study(config.check({**yaml.safe_load((ROOT / "params.yaml").read_text()), **changes}))


def curve(rng: random.Random, epochs: int) -> list[dict[str, object]]:
    return [
        {"epoch": n, "train_loss": 4 / n, "train_top1": 60 * n / epochs, "lr": 1e-3, "test_loss": 4.5 / n,
         "test_top1": 50 * n / epochs + rng.random(), "examples_per_s": 100.0}
        for n in range(1, epochs + 1)
    ]  # fmt: skip


def fill(spec: BundleSpec, results: Path, epochs: int = 3) -> int:
    """Sealed records of trainings, complexity and latency for every table; returns how many. Others are not run."""
    rng, written = random.Random(7), set()
    for table in spec.tables.values():
        for source in table.sources:
            for row in table.rows:
                for record_id in record_ids(table, row, source) if table.why_not(row, source) is None else ():
                    kind = record_id.split("/")[0]
                    alone = "/seed" not in record_id and kind not in ("complexity", "latency")
                    if record_id in written or alone or kind == "search":
                        continue
                    written.add(record_id)
                    record = a_record(table, kind if kind in ("complexity", "latency") else source, record_id, rng)
                    record["environment"] = {"processor": "AMD EPYC", "cores": 2, "python": "3.12.1",
                                             "packages": {"torch": "2.11.0"}, "git_commit": COMMIT,
                                             "instruction_sets": {"pytorch": "AVX2", "onednn": "AVX512_CORE"},
                                             "git_dirty": False, "device": f"cpu: {HOSTILE}"}  # fmt: skip
                    if "/seed" in record_id:
                        record |= {
                            "curve": curve(rng, epochs), "wall_s": 192.4, "peak_memory_bytes": 3 * 2**29,
                            "run": {"dataset": "digits", "recipe": {"epochs": epochs, "lr": 0.001}},
                            "checkpoints": {"last": {"sha256": "a" * 64}}, "data": {"test_examples": 360},
                        }  # fmt: skip
                    put_sealed(results, record)
    return len(written)


def outputs(spec: BundleSpec, results: Path, out: Path) -> None:
    """The tables and claims as the workflow makes them; a picture in the place of each figure."""
    for table in spec.tables.values():
        render(table, results, out)
    write_claims(judge(spec.claims, results), spec.claims, out)
    for name in spec.figures:
        for path in files.figure_files(name, out):
            write_text(path, f"{name}\n\nA picture of {HOSTILE}\n\nScale: {spec.scale}\n")
        Image.new("RGB", (40, 30), "white").save(out / f"{name}.png")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """All of scale demo, a model with a hostile name, and a Run that failed with a hostile message."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["zoo"]["starnet_s4"]["label"] = HOSTILE
    folder = tmp_path_factory.mktemp("bundle")
    spec = Study(config.check(values)).bundle
    made = Made(spec, folder / "results", folder / "paper_tables")
    fill(spec, made.results)
    failed = made.record("cifar100/ghostnet_100/base/seed0")
    failed.unlink()
    put_sealed(made.results, {"id": "cifar100/ghostnet_100/base/seed0", "scale": "demo", "status": HOSTILE})
    outputs(spec, made.results, made.out)
    return made
