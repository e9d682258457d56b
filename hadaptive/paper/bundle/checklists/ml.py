"""The machine learning reproducibility checklist, v2.0 (Pineau et al., JMLR 22, 2021), as it is answered here."""

from __future__ import annotations

from hadaptive.paper.bundle.checklists import answers
from hadaptive.paper.bundle.checklists.answers import Answer
from hadaptive.paper.bundle.checklists.facts import Facts, Unanswered

TITLE = "Machine learning reproducibility checklist, v2.0 (Pineau et al.)"


def sections(facts: Facts) -> dict[str, list[tuple[str, Answer]]]:
    """Questions with answers, by heading."""
    return {
        "Models and algorithms": [
            (
                "A clear description of the mathematical setting, algorithm, and/or model",
                "the paper's sections 3 and 4; in code `hadaptive/nn/ach.py` and `hadaptive/nn/hadaptive_net.py`, each "
                "part with its equation",
            ),
            (
                "A clear explanation of any assumptions",
                Unanswered("the paper's text; where it, arithmetic and the authors' code disagree: errata.yaml"),
            ),
            ("An analysis of the complexity of any algorithm", answers.complexity(facts)),
        ],
        "Theoretical claims": [
            ("A clear statement of the claim", "`claims.md` states every claim checked here, with where it stands"),
            (
                "A complete proof of the claim",
                Unanswered("the paper's appendix has the derivations; here claims are measured, not proved"),
            ),
        ],
        "Datasets": [
            ("The relevant statistics, such as number of examples", answers.data(facts)),
            ("The details of train / validation / test splits", _splits(facts)),
            ("An explanation of any data that were excluded, and all pre-processing steps", answers.preparation(facts)),
            ("A link to a downloadable version of the dataset or simulation environment", _links(facts)),
            (
                "For new data collected, a complete description of the data collection process",
                Unanswered("no data were collected", "not applicable"),
            ),
        ],
        "Shared code": [
            ("Specification of dependencies", answers.dependencies(facts)),
            ("Training code", "`uv run hadaptive train RUN` (`hadaptive/train/`); a Run's record holds its settings"),
            ("Evaluation code", "part of each training (`hadaptive/train/`); measurements in `hadaptive/measure/`"),
            ("(Pre-)trained model(s)", answers.checkpoints(facts)),
            (
                "README file includes table of results accompanied by precise command to reproduce those results",
                f"`README.md`; for this study: `uv run snakemake --cores 8 --config scale={facts.scale}`",
            ),
        ],
        "Experimental results": [
            (
                "The range of hyper-parameters considered, method to select the best configuration, and specification "
                "of all hyper-parameters used",
                answers.recipes(facts),
            ),
            ("The exact number of training and evaluation runs", answers.runs(facts)),
            (
                "A clear definition of the specific measure or statistics used to report results",
                "`hadaptive/tasks.py` names each task's; accuracies are of the last epoch, those of the best epoch on "
                "the test set, as the authors select, are in the CSV under their own name",
            ),
            ("A description of results with central tendency and variation", answers.seeds(facts)),
            ("The average runtime for each result, or estimated energy cost", answers.time(facts)),
            ("A description of the computing infrastructure used", answers.hardware(facts)),
        ],
    }


def _splits(facts: Facts) -> Answer:
    if not facts.manifests:
        return Unanswered("no data set is prepared here")
    splits = [f"{name}: {', '.join(manifest.get('counts', {}))}" for name, manifest in facts.manifests.items()]
    return f"{'; '.join(splits)}. How many examples of each a Run used is in its record"


def _links(facts: Facts) -> Answer:
    links = [
        f"{name}: {manifest['source']}"
        for name, manifest in facts.manifests.items()
        if str(manifest.get("source", "")).startswith("http")
    ]
    if links:
        return "; ".join(links)
    if facts.demonstration:
        return "the stand-in data come with a dependency, nothing is downloaded"
    return Unanswered("the data were taken from a local copy, whose origin only its owner knows")
