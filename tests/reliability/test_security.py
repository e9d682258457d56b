"""Files from elsewhere run no code and write nowhere but where they belong; records tell nothing of the environment."""

from __future__ import annotations

import ast
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hadaptive import records
from hadaptive.data import cifar100

ROOT = Path(__file__).resolve().parents[2]
CODE = [path for package in ("hadaptive", "kernels") for path in sorted((ROOT / package).rglob("*.py"))]


def calls(tree: ast.AST) -> Iterator[tuple[str, dict[str, object], int]]:
    """Every call: the function as written, its constant keyword arguments, its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            words = {word.arg: getattr(word.value, "value", None) for word in node.keywords if word.arg}
            yield ast.unparse(node.func), words, node.lineno


def test_nothing_that_is_read_can_run_code() -> None:
    loads = 0
    for path in CODE:
        for name, words, line in calls(ast.parse(path.read_text(encoding="utf-8"))):
            where = f"{path.relative_to(ROOT)}:{line}: {name}"
            last = name.rpartition(".")[2]
            if name in ("torch.load", "torch.hub.load_state_dict_from_url"):
                loads += 1
                assert words.get("weights_only") is True, where
            if name in ("np.load", "numpy.load"):
                assert words.get("allow_pickle") is False, where
            if last in ("extractall", "extract") and "tar" in name.lower():
                assert words.get("filter") == "data", f"{where} without filter='data' lets an archive write anywhere"
            assert name not in ("pickle.load", "pickle.loads", "yaml.load", "eval", "exec", "os.system"), where
    assert loads >= 1


def hostile(path: Path, wanted: str) -> None:
    """An archive whose members climb out of where they are unpacked, by name and by link."""
    with tarfile.open(path, "w:gz") as tar:
        for name in ("../evil", "/tmp/hadaptive-evil", f"{cifar100.FOLDER}/../../evil"):
            tar.addfile(info := tarfile.TarInfo(name), io.BytesIO(b"x" * info.size))
        link = tarfile.TarInfo(f"{cifar100.FOLDER}/{wanted}")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)


def test_an_archive_that_climbs_out_writes_nothing_and_reads_nothing_else(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    hostile(inside / "a.tar.gz", "train.bin")
    with tarfile.open(inside / "a.tar.gz") as tar, pytest.raises((FileNotFoundError, KeyError)):
        cifar100._from_archive(tar)("train.bin")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.tar.gz", "inside"]
    assert not Path("/tmp/hadaptive-evil").exists()


def test_a_record_holds_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import getpass
    import socket

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefgh")
    said = json.dumps(records.environment())
    assert "wJalrXUtnFEMI" not in said and "hf_abcdefgh" not in said
    assert str(Path.home()) not in said or str(Path.home()) == "/"
    assert f'"{socket.gethostname()}"' not in said and f'"{getpass.getuser()}"' not in said
