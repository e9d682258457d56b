"""The identity of code: blind to comments, sharp to meaning, and no wider than it must be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hadaptive import identity

Project = Callable[[dict[str, str]], None]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(identity, "ROOT", tmp_path)

    def write(files: dict[str, str]) -> None:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        for cached in CACHES:
            cached.cache_clear()

    yield write
    for cached in CACHES:
        cached.cache_clear()


CACHES = (
    identity._tree,
    identity._imports,
    identity._text,
    identity.closure,
    identity.code_id,
    identity.file_id,
)
BASE = {
    "p/__init__.py": "",
    "p/train.py": "from p.net import f\nfrom . import loop\n\n\ndef train(x):\n    return f(x) + loop.g(x)\n",
    "p/net.py": "import p.deep.ops\n\n\ndef f(x):\n    return x\n",
    "p/loop.py": "def g(x):\n    return x\n",
    "p/deep/__init__.py": "",
    "p/deep/ops.py": "A = 1\n",
    "p/other.py": "B = 1\n",
}


def test_closure_follows_every_form_of_import(project: Project) -> None:
    project(BASE)
    assert identity.closure("p.train") == ("p", "p.deep", "p.deep.ops", "p.loop", "p.net", "p.train")


@pytest.mark.parametrize(
    ("file", "text", "same"),
    [
        ("p/loop.py", "# said\ndef g(x):\n    '''Said.'''\n\n    return x  # said\n", True),
        ("p/other.py", "B = 2\n", True),
        ("p/loop.py", "def g(x):\n    return x + 1\n", False),
        ("p/deep/ops.py", "A = 2\n", False),
        ("p/__init__.py", "import os\n", False),
    ],
)
def test_only_what_can_change_a_result_counts(project: Project, file: str, text: str, same: bool) -> None:
    project(BASE)
    before = identity.code_id("p.train")
    project({**BASE, file: text})
    assert (identity.code_id("p.train") == before) is same


def test_unknown_module_is_an_error(project: Project) -> None:
    project(BASE)
    with pytest.raises(LookupError, match=r"p\.none"):
        identity.code_id("p.none")


def test_files_by_their_bytes(project: Project) -> None:
    project({"t/a.j2": "x", "t/b.j2": "y"})
    before = identity.file_id("t")
    project({"t/a.j2": "x "})
    assert identity.file_id("t") != before


@pytest.mark.parametrize("module", ["hadaptive.train.classify", "hadaptive.train.text", "hadaptive.measure.record"])
def test_a_baseline_does_not_depend_on_ach(module: str) -> None:
    baseline = set(identity.closure(module))
    assert {"hadaptive.nn.zoo", "hadaptive.nn.text"} & baseline
    assert not {name for name in baseline if name.startswith("kernels") or name == "hadaptive.config"}
    assert not baseline & identity.OF_ACH


def test_modules_that_are_named_for_their_imports_exist() -> None:
    for module in identity.OF_ACH | identity.OF_EVERY_MODEL | identity.PLUMBING:
        assert identity._file(module) is not None, module
    for module in identity.OF_EVERY_MODEL:  # a name that does nothing is out of date
        assert identity._imports(module, identity._file(module)) & identity.OF_ACH, module


def test_what_ach_does_depends_on_it() -> None:
    ours = set(identity.closure("hadaptive.nn.hadaptive_net"))
    assert {"hadaptive.nn.ach", "hadaptive.nn.norms", "kernels.reference"} <= ours
