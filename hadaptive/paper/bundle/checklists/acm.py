"""The artifact checklist of the ACM conferences' artifact appendix (Fursin et al., cTuning), as it is answered here."""

from __future__ import annotations

from hadaptive.paper.bundle.checklists import answers
from hadaptive.paper.bundle.checklists.answers import Answer
from hadaptive.paper.bundle.checklists.facts import Facts, Unanswered

TITLE = "ACM artifact check-list (meta-information)"


def sections(facts: Facts) -> dict[str, list[tuple[str, Answer]]]:
    """Questions with answers; one list without headings."""
    command = f"uv run snakemake --cores 8 --config scale={facts.scale}"
    return {
        "": [
            ("Algorithm", "adaptive cross-Hadamard products (ACH) and Hadaptive-Net: `hadaptive/nn/`, `kernels/`"),
            ("Program", f"the `hadaptive` package; {answers.commits(facts)}"),
            ("Compilation", "none to install; Triton compiles the GPU kernels when they first run"),
            ("Transformations", "ONNX export of every model (`hadaptive/measure/export.py`)"),
            ("Binary", Unanswered("there is none", "not applicable")),
            ("Model", _models(facts)),
            ("Data set", answers.data(facts)),
            ("Run-time environment", answers.software(facts)),
            ("Hardware", answers.hardware(facts)),
            ("Run-time state", "latencies are measured one after the other, with nothing of the workflow beside them"),
            ("Execution", f"`{command}`; an interrupted run resumes where it stopped with the same command"),
            ("Metrics", _metrics(facts)),
            ("Output", "tables (.tex, .md, .csv), figures (.pdf, .png, .csv), `claims.md`, and a record of every Run"),
            ("Experiments", answers.runs(facts)),
            ("How much disk space required (approximately)?", _disk(facts)),
            (
                "How much time is needed to prepare workflow (approximately)?",
                Unanswered("installing is not part of the workflow, so no record has it; the README says what it took"),
            ),
            ("How much time is needed to complete experiments (approximately)?", answers.time(facts)),
            ("Publicly available?", Unanswered("decided by whoever publishes this")),
            ("Code licenses (if publicly available)?", "Apache-2.0"),
            ("Data licenses (if publicly available)?", Unanswered("each data set's owner's; no data are distributed")),
            ("Workflow framework used?", "Snakemake; DVC stores what it made"),
            ("Archived (provide DOI)?", Unanswered("a DOI is given by an archive, after publication")),
        ]
    }


def _models(facts: Facts) -> Answer:
    if not facts.trainings:
        return answers.NO_TRAININGS
    names = {(record.run.model, record.run.variant) for record in facts.trainings}
    return f"{len(names)} models and variants, their recipes in the records: " + ", ".join(
        sorted({model for model, _ in names})
    )


def _metrics(facts: Facts) -> Answer:
    metrics = [record.at("metrics") for record in facts.done]
    names = {name for each in metrics for name, value in each.items() if type(value) in (int, float)}
    return ", ".join(sorted(names)) + "; latency, parameters, operations" if names else answers.NO_TRAININGS


def _disk(facts: Facts) -> Answer:
    sizes = [record.model.parameters for record in facts.done if record.model.parameters]
    data = [
        entry["bytes"] for m in facts.manifests.values() for entry in m.get("files", {}).values() if "bytes" in entry
    ]
    if not sizes:
        return answers.NO_TRAININGS
    return (
        f"{2 * 4 * sum(sizes) / 1e6:,.0f} MB of checkpoints (two of each training, 4 bytes a parameter) and "
        f"{sum(data) / 1e6:,.0f} MB of prepared data"
    )
