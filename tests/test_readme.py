"""What the README promises, run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text()


def test_the_python_example_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    names: dict[str, object] = {}
    exec(code, names)
    expand = names["expand"]
    assert isinstance(expand, torch.nn.Module)
    assert expand(torch.randn(2, 96, 7, 7)).shape == (2, 96 + 120, 7, 7)


@pytest.mark.parametrize("words", sorted(set(re.findall(r"uv run hadaptive ([a-z]+(?: [a-z]+)?)", TEXT))))
def test_every_verb_named_exists(words: str) -> None:
    verb = words.split()[0]
    done = subprocess.run([sys.executable, "-m", "hadaptive", verb, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert verb != "bench" or words.split()[1] in done.stdout
