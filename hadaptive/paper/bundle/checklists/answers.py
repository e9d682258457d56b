"""Answers that both checklists give, each from the facts of a study."""

from __future__ import annotations

import statistics
import tomllib
from collections import Counter
from pathlib import Path

from hadaptive.paper.bundle.checklists.facts import Facts, Unanswered
from hadaptive.record.measures import ComplexityRecord

Answer = str | Unanswered
ROOT = Path(__file__).resolve().parents[3]
NO_TRAININGS = Unanswered("no training of this scale is on record yet")


def data(facts: Facts) -> Answer:
    """Data sets with counts, checksums and sources."""
    if not facts.manifests:
        return Unanswered("no data set is prepared here")
    sentences = []
    for name, manifest in facts.manifests.items():
        counts = ", ".join(f"{count} {split}" for split, count in manifest.get("counts", {}).items())
        sentences.append(
            f"{name}: {counts}; from {manifest.get('source', 'an unnamed source')}; SHA-256 of the prepared files "
            f"{str(manifest.get('sha256', 'not recorded'))[:16]}..."
        )
    return ". ".join(sentences)


def preparation(facts: Facts) -> Answer:
    """Which part of the data is used, and how it is prepared."""
    if not facts.trainings:
        return NO_TRAININGS
    used = Counter(
        (record.run.dataset, record.data.train_examples, record.run.recipe.image_size) for record in facts.trainings
    )
    parts = [
        f"{dataset}: {count} training examples" + (f" at {size} px" if size else "")
        for dataset, count, size in sorted(used, key=str)
    ]
    return (
        f"{'; '.join(parts)}. Where that is a part, it is class-balanced and seeded (`hadaptive/data/subset.py`); the "
        "steps are in `hadaptive/data/` and each Run's recipe"
    )


def hardware(facts: Facts) -> Answer:
    devices, processors = facts.environments("device"), facts.environments("processor")
    if not processors:
        return Unanswered("no record of this scale names a machine")
    cores = " or ".join(facts.environments("cores"))
    return f"trained on {', '.join(devices) or 'nothing yet'}; processor {', '.join(processors)}, {cores} cores"


def software(facts: Facts) -> Answer:
    systems, versions = facts.environments("system"), facts.versions()
    return f"{', '.join(systems)}; {versions}" if versions else Unanswered("no record of this scale names versions")


def dependencies(facts: Facts) -> Answer:
    project = ROOT / "pyproject.toml"
    if not project.exists():
        return Unanswered("the project's pyproject.toml is not beside the package")
    pins = (
        tomllib.loads(project.read_text(encoding="utf-8"))
        .get("tool", {})
        .get("uv", {})
        .get("constraint-dependencies", [])
    )
    return (
        f"`pyproject.toml` names every package and pins {len(pins)} of them, direct and indirect, to exact versions; "
        "`requirements.txt` has the hashes of their files"
    )


def runs(facts: Facts) -> Answer:
    """How many trainings and measurements, and how they ended."""
    if not facts.records:
        return Unanswered("nothing of this scale is on record yet")
    kinds = Counter(record.kind for record in facts.records)
    counts = ", ".join(f"{count} of {kind}" for kind, count in sorted(kinds.items()))
    failed = Counter(record.status for record in facts.records if record.status != "done")
    ended = "; ".join(f"{count}: {status}" for status, count in failed.items())
    lacking = f"; {facts.missing} asked for and not run" if facts.missing else ""
    lacking += f"; {facts.damaged} damaged" if facts.damaged else ""
    return f"{len(facts.records)} records: {counts}; {f'not done: {ended}' if ended else 'all done'}{lacking}"


def time(facts: Facts) -> Answer:
    if not facts.wall_s:
        return NO_TRAININGS
    mean, total = statistics.fmean(facts.wall_s), sum(facts.wall_s)
    return f"{len(facts.wall_s)} trainings, {mean / 60:.1f} min each on average, {total / 60:,.0f} min together"


def seeds(facts: Facts) -> Answer:
    if not facts.trainings:
        return NO_TRAININGS
    listed = ", ".join(map(str, facts.seeds))
    if len(facts.seeds) > 1:
        return f"seeds {listed}; every accuracy is mean ± sample standard deviation over them, n in the CSV"
    return f"one seed ({listed}), so no deviation is shown, and comparisons of accuracies are undecided"


def recipes(facts: Facts) -> Answer:
    """All hyper-parameters there are."""
    if not facts.trainings:
        return NO_TRAININGS
    found: dict[str, set[str]] = {}
    for record in facts.trainings:
        for name, value in record.made_with["recipe"].items():
            found.setdefault(name, set()).add(str(value))
    used = ", ".join(f"{name} {' or '.join(sorted(values))}" for name, values in sorted(found.items()))
    return f"{used}. Nothing is tuned here: what `params.yaml` does not change is the paper's setting (section 5.3)"


def checkpoints(facts: Facts) -> Answer:
    kept = [entry for record in facts.done for entry in record.checkpoints.values()]
    if not kept:
        return Unanswered("no checkpoint of this scale is on record yet")
    return f"{len(kept)} checkpoints under `results/{facts.scale}/`, each with its SHA-256 in its record"


def complexity(facts: Facts) -> Answer:
    found = [record.metrics for record in facts.of(ComplexityRecord)]
    if not found:
        return Unanswered("no model's complexity was measured at this scale")
    parts = []
    for key, unit in (("parameters", "parameters"), ("macs", "multiply-accumulates")):
        values = sorted(getattr(metrics, key) / 1e6 for metrics in found)
        parts.append(f"{values[0]:.2f} to {values[-1]:.2f} M {unit}")
    return f"counted for {len(found)} models: {', '.join(parts)} (conventions: `hadaptive/measure/complexity.py`)"


def commits(facts: Facts) -> str:
    found = facts.environments("git_commit")
    dirty = "True" in facts.environments("git_dirty")
    return (f"commit {', '.join(each[:12] for each in found)}" if found else "no commit on record") + (
        ", with changes not committed" if dirty else ""
    )
