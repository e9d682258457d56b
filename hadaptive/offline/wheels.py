"""The packages that the other machine lacks, as wheels of exactly the pinned versions. Imports no torch."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from hadaptive.errors import UserError

# What the packed jobs import, of what pyproject.toml names.
ROOTS = (
    "torchvision", "timm", "numpy", "pydantic", "pyyaml", "pillow", "tqdm", "psutil", "onnx", "onnxscript",
    "onnxruntime", "pytest", "hypothesis",
)  # fmt: skip
ROOTS_OF = {"hadaptive.train.text": ("transformers", "tokenizers"), "hadaptive.train.detect": ("pycocotools",)}
TORCHVISION = 15  # torchvision 0.(n + 15) is the release for torch 2.n


def installed_there(path: Path | None, torch: str) -> dict[str, str]:
    """Return the versions by package on the other machine, from its `pip list --format=json` or `pip freeze`.

    Without a file: what PyTorch of the pinned version requires, and no more. Raises UserError for any other file.
    """
    if path is None:
        return {name: metadata.version(name) for name in _closure(["torch"], {}) if name != "torch"} | {"torch": torch}
    try:
        text = path.read_text(encoding="utf-8")
        if text.lstrip().startswith("["):
            there = {entry["name"]: entry["version"] for entry in json.loads(text)}
        else:
            there = dict(re.findall(r"^([A-Za-z0-9._-]+)(?:==| +)([0-9][^\s;]*)", text, re.M))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is no list of packages ({error}); make it by `pip list --format=json`") from None
    there = {canonicalize_name(name): version for name, version in there.items()}
    if "torch" not in there:
        raise UserError(f"{path} does not name torch; list the packages of the Python that has it")
    return there


def lacking(there: Mapping[str, str], roots: Iterable[str], python: str) -> dict[str, str]:
    """Package -> exact version of what the roots need and the other machine does not have in a version that will do."""
    pins, needed = pinned(python), dict[str, str]()
    for name in _closure(roots, there, python):
        needed[name] = pins.get(name) or metadata.version(name)
    if "torchvision" in needed:
        ours, theirs = Version(pins["torch"]), Version(there["torch"])
        if (ours.major, ours.minor) != (theirs.major, theirs.minor):  # it must be the release for the torch there
            needed["torchvision"] = f"0.{theirs.minor + TORCHVISION}.*"
    return needed


def download(needed: Mapping[str, str], python: str, out: Path) -> list[Path]:
    """Fetch these wheels with pip, through the user's own settings of it. UserError where one cannot be had."""
    if not needed:
        return []
    words = [*_pip(), "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(out)]
    words += ["--python-version", python, *(f"{name}=={version}" for name, version in sorted(needed.items()))]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if line.startswith("ERROR")), done.stderr.strip())
        raise UserError(
            f"wheels for Python {python} cannot be had ({reason[:300]}); mend pip's settings, name what the other "
            "machine has by --have FILE, or pack without them by --no-wheels"
        )
    return sorted(out.glob("*.whl"))


def pinned(python: str) -> dict[str, str]:
    """Return the versions that pyproject.toml pins for a Python."""
    versions: dict[str, str] = {}
    for line in _project()["tool"]["uv"]["constraint-dependencies"]:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(_environment(python)):
            (specifier,) = requirement.specifier
            versions[canonicalize_name(requirement.name)] = specifier.version
    return versions


def _project() -> dict[str, Any]:
    return tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))


def _environment(python: str) -> dict[str, str]:
    environment = {name: str(value) for name, value in default_environment().items()}
    return environment | {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}


def _closure(roots: Iterable[str], there: Mapping[str, str], python: str | None = None) -> Iterator[str]:
    """Yield the roots and all they require, less what the other machine has in a version that fits."""
    project, dev = _project()["project"], _project()["dependency-groups"]["dev"]
    lists = [project["dependencies"], *project["optional-dependencies"].values(), dev]
    least = {
        canonicalize_name(requirement.name): requirement for requirement in map(Requirement, chain.from_iterable(lists))
    }
    asked: dict[str, list[Requirement]] = {
        name: [least.get(name, Requirement(name))] for name in map(canonicalize_name, roots)
    }
    environment = _environment(python or f"{sys.version_info[0]}.{sys.version_info[1]}")
    todo: list[str] = list(asked)
    seen: set[str] = set()
    while todo:
        name = todo.pop(0)
        if name in seen or _will_do(asked[name], there.get(name)) or (name == "torch" and "torch" in there):
            continue
        seen.add(name)
        for text in metadata.requires(name) or ():
            requirement = Requirement(text)
            marker = requirement.marker
            if marker is None or marker.evaluate(environment):
                required = canonicalize_name(requirement.name)
                asked.setdefault(required, []).append(requirement)
                todo.append(required)
    yield from sorted(seen)


def _will_do(requirements: Iterable[Requirement], version: str | None) -> bool:
    try:
        return version is not None and all(
            requirement.specifier.contains(version, prereleases=True) for requirement in requirements
        )
    except InvalidVersion:
        return False


def _pip() -> list[str]:
    """pip of this Python, or else the one on the path."""
    own = [sys.executable, "-m", "pip"]
    if subprocess.run([*own, "--version"], capture_output=True).returncode == 0:
        return own
    if (pip := shutil.which("pip") or shutil.which("pip3")) is None:
        raise UserError("there is no pip to fetch wheels with; install one, or pack without wheels by --no-wheels")
    return [pip]
