"""The bundle's description as an RO-Crate 1.3: one JSON-LD file that says what each file is and what made it.

https://w3id.org/ro/crate/1.3. The crate is paper_tables/ itself; its files stay as they are.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import yaml
from rocrate.model import ContextEntity, Person, SoftwareApplication
from rocrate.rocrate import ROCrate

from hadaptive.errors import UserError
from hadaptive.paper.bundle.checklists.facts import Facts
from hadaptive.paper.files import CRATE
from hadaptive.records import sha256, write_json

LICENSE = "https://www.apache.org/licenses/LICENSE-2.0"
SNAKEMAKE = "https://snakemake.github.io"
CITATION = Path(__file__).resolve().parents[3] / "CITATION.cff"
TYPES = {".md": "text/markdown", ".tex": "text/x-tex", ".csv": "text/csv"}


def describe(files: Iterable[Path], facts: Facts, out_dir: Path) -> Path:
    """Write ro-crate-metadata.json of `files`, which lie in `out_dir`; returns its path.

    UserError for a file that is not there.
    """
    crate = ROCrate(version="1.3")
    crate.name = "Adaptive Cross-Hadamard Products, re-run"
    demonstration = " A demonstration on stand-in data, not a result." if facts.demonstration else ""
    crate.description = (
        f"Tables, figures, claims and checklists of the paper, made at scale {facts.scale} from records: {facts.about}."
        f"{demonstration}"
    )
    crate.datePublished = max((each.finished for each in facts.records if each.finished), default="1970-01-01")
    crate.license = crate.add(
        ContextEntity(
            crate,
            LICENSE,
            {
                "@type": "CreativeWork",
                "name": "Apache License 2.0",
                "url": LICENSE,
                "description": "of the software and of what it made; data are their owners'",
            },
        )
    )
    _paper(crate)
    made = []
    for path in sorted(files):
        if not path.is_file():
            raise UserError(f"{path} is missing; the crate describes what there is: snakemake makes it")
        made.append(crate.add_file(path, path.relative_to(out_dir).as_posix(), properties=_properties(path)))
    _action(crate, facts, made)
    write_json(out_dir / CRATE, crate.metadata.generate())
    return out_dir / CRATE


def _properties(path: Path) -> dict[str, str]:
    kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return {
        "name": path.name,
        "encodingFormat": kind,
        "contentSize": str(path.stat().st_size),
        "sha256": sha256(path),
    }


def _paper(crate: ROCrate) -> None:
    """The paper this is a re-run of, as CITATION.cff has it."""
    if not CITATION.exists():
        return
    paper = yaml.safe_load(CITATION.read_text(encoding="utf-8"))["preferred-citation"]
    authors = []
    for author in paper["authors"]:
        name = f"{author['given-names']} {author['family-names']}"
        person = Person(crate, f"#{name.replace(' ', '-')}", {"name": name})
        authors.append(crate.add(person))
    entity = ContextEntity(crate, "#paper", {"@type": "ScholarlyArticle", "name": paper["title"]})
    entity["author"] = authors
    entity["datePublished"] = str(paper["year"])
    crate.root_dataset["isBasedOn"] = crate.add(entity)


def _action(crate: ROCrate, facts: Facts, made: list[object]) -> None:
    """What made the files: this package under Snakemake, from which data, on which machine."""
    version = metadata.version("hadaptive")
    tool = SoftwareApplication(crate, "#hadaptive", {"name": "hadaptive", "version": version, "url": SNAKEMAKE})
    tool["description"] = f"a Snakemake workflow; {facts.versions()}"
    crate.add(tool)
    inputs = []
    for name, manifest in facts.manifests.items():
        about = {
            "@type": "Dataset",
            "name": name,
            "description": f"from {manifest.get('source', 'an unnamed source')}",
            "identifier": f"sha256:{manifest.get('sha256', 'unknown')}",
        }
        inputs.append(crate.add(ContextEntity(crate, f"#data-{name}", about)))
    action = ContextEntity(crate, "#run", {"@type": "CreateAction", "name": f"scale {facts.scale}"})
    action["description"] = f"snakemake --config scale={facts.scale}; on {', '.join(facts.environments('processor'))}"
    action["endTime"] = crate.root_dataset["datePublished"]
    action["instrument"], action["result"] = tool, made
    if inputs:
        action["object"] = inputs
    crate.add(action)
    crate.root_dataset["mentions"] = action
