"""What the wheel asks for: the operator PyTorch alone, the models three packages, the pipeline what it imports."""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import hadaptive
from hadaptive import identity

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OWN = {"hadaptive", "kernels"}
# import name -> package, where they differ; and what a declared package brings along and is imported by its own name
PACKAGES = {"vl_convert": "vl-convert-python", "PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}
BROUGHT = {
    "markupsafe": "jinja2", "urllib3": "requests", "packaging": "snakemake", "huggingface_hub": "timm",
    "mlflow": "mlflow-skinny",
}  # fmt: skip


def imported(path: Path, *, at_once: bool) -> set[str]:
    """Top-level packages of others that a file imports; with `at_once` only where its import imports them."""
    tree = identity._tree(path)
    nodes = tree.body if at_once else list(identity._running(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found - OWN - set(sys.stdlib_module_names)


def files(module: str, *, at_once: bool) -> set[Path]:
    """The project's files that importing a module reads."""
    seen: set[Path] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        path = identity._file(name)
        if path is None or path in seen:
            continue
        seen.add(path)
        tree = identity._tree(path)
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for node in tree.body if at_once else identity._running(tree):
            if isinstance(node, ast.Import):
                todo += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                parents = package.split(".")
                above = ".".join(parents[: len(parents) - node.level + 1]) if node.level else ""
                base = ".".join(filter(None, (above, node.module)))
                todo += [base, *(f"{base}.{alias.name}" for alias in node.names)]
        todo += [".".join(name.split(".")[:n]) for n in range(1, name.count(".") + 1)]
    return seen


def needed(module: str, *, at_once: bool = True) -> set[str]:
    return {name for path in files(module, at_once=at_once) for name in imported(path, at_once=at_once)}


def names(requirements: list[str]) -> set[str]:
    return {Requirement(each).name.lower() for each in requirements}


BASE = names(PROJECT["project"]["dependencies"])
EXTRAS = {extra: names(each) for extra, each in PROJECT["project"]["optional-dependencies"].items()}


def test_the_operator_needs_pytorch_alone() -> None:
    assert needed("hadaptive.nn.ach") == {"torch"}
    assert needed("hadaptive.nn.ach", at_once=False) <= {"torch", "triton"}


@pytest.mark.parametrize("module", ["hadaptive.nn.zoo", "hadaptive.nn.hadaptive_net", "hadaptive.nn.published"])
def test_the_models_need_what_the_package_depends_on(module: str) -> None:
    assert {"torch", "torchvision", "timm", "triton"} == BASE
    assert needed(module, at_once=False) <= BASE


def test_retrofits_need_no_more() -> None:
    assert needed("hadaptive.nn.retrofit", at_once=False) <= BASE


def test_every_import_is_of_a_declared_package() -> None:
    declared = BASE.union(*EXTRAS.values())
    for path in [*(ROOT / "hadaptive").rglob("*.py"), *(ROOT / "kernels").rglob("*.py")]:
        found = set(re.findall(r"^ *(?:import|from) (\w+)[\w.]*(?: import |$)", path.read_text(), re.M))
        for name in found - OWN - set(sys.stdlib_module_names):
            package = BROUGHT.get(name) or PACKAGES.get(name, name)
            assert package in declared, f"{path.relative_to(ROOT)} imports {name}, which nothing declares"


def test_what_is_optional_is_where_its_name_says() -> None:
    assert EXTRAS["detect"] == {"pycocotools"} and EXTRAS["text"] == {"tokenizers", "transformers"}
    assert not EXTRAS["pipeline"] & (BASE | EXTRAS["detect"] | EXTRAS["text"] | EXTRAS["cluster"])


def test_uv_sync_without_words_is_complete() -> None:
    (own,) = [each for each in PROJECT["dependency-groups"]["dev"] if each.startswith("hadaptive[")]
    assert Requirement(own).extras == {"pipeline", "detect", "text"}


def test_what_is_pinned_has_hashes_and_no_address() -> None:
    text = (ROOT / "requirements.txt").read_text()
    assert "://" not in text
    entries = [line for line in text.replace("\\\n", "").splitlines() if not line.startswith("#")]
    assert all(re.search(r" --hash=sha256:[0-9a-f]{64}( |$)", entry) for entry in entries)
    pins = {pin.partition(" ;")[0] for pin in PROJECT["tool"]["uv"]["constraint-dependencies"]}
    assert {re.split("[ ;]", entry)[0] for entry in entries} == pins


def test_every_dependency_is_reviewed() -> None:
    text = (ROOT / "docs/dependencies.md").read_text()
    rows = set(re.findall(r"^\| ([\w.-]+) \|", text, re.M))
    groups = set[str]().union(*(names(group) for group in PROJECT["dependency-groups"].values())) - {"hadaptive"}
    asked = BASE.union(groups, *EXTRAS.values()) | {"hatchling", "uv"}
    assert asked == {row.lower() for row in rows} - {"package"}


def test_all_descriptions_name_one_version() -> None:
    version = PROJECT["project"]["version"]
    assert json.loads((ROOT / "codemeta.json").read_text())["version"] == version
    assert json.loads((ROOT / ".zenodo.json").read_text())["version"] == version
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    assert f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_wheel_is_typed() -> None:
    for package in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        assert (ROOT / package / "py.typed").is_file()


def test_what_the_pipeline_has_to_bring_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "hadaptive.study.results", raising=False)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match=r"hadaptive\.results needs the package pandas.*hadaptive\[pipeline"):
        hadaptive.results("cpu")
