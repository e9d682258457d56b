"""What a newcomer changes first, each in a copy of the project: a baseline, a normalizer, a table, a claim."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import pytest
import yaml

from tests.workflow.conftest import ROOT, Project, copied


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copied(tmp_path / "project")


def python(project: Project, code: str, **variables: str) -> str:
    """Run code with the copy's own packages; its output. Without an error it must end."""
    environment = {**os.environ, "PYTHONPATH": str(project.folder), "OMP_NUM_THREADS": "1", **variables}
    words = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(words, cwd=project.folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done.stdout


def insert(project: Project, file: str, before: str, text: str) -> None:
    project.edit(file, before, f"{text}{before}")


RENDER = """
import sys
from pathlib import Path
from hadaptive.config import load
from hadaptive.paper.claims.report import write
from hadaptive.paper.claims.statements import judge
from hadaptive.paper.tables.render import render
from hadaptive.study import Study
study = Study(load())
assert not {'torch', 'pandas'} & set(sys.modules)
results, out = Path('results'), Path('paper_tables')
"""


def test_a_baseline_is_one_line(project: Project) -> None:
    import torch

    from hadaptive.nn.zoo import create_model

    (line,) = re.findall(r"`(resnet18: \{.*?\})`", (ROOT / "docs/changes.md").read_text(), re.S)
    insert(project, "params.yaml", "  mobilevit_s:", f"  {' '.join(line.split())}\n")
    said = python(
        project,
        f"{RENDER}render(study.tables['table7'], results, out)\n"
        "print(len([run for run in study.runs.values() if run.model == 'resnet18']))",
    )
    assert said.split() == ["1"]
    rows = (project.folder / "paper_tables/table7.csv").read_text().splitlines()[1:]
    zoo = yaml.safe_load((project.folder / "params.yaml").read_text())["zoo"]
    assert len(rows) == sum("group" in entry for entry in zoo.values())
    assert [row for row in rows if row.startswith("ResNet-18,resnet18,base,3,demo,")]
    assert "ResNet-18 (He et al., 2016) | *" not in (project.folder / "paper_tables/table7_compare.md").read_text()
    planned = project.planned(config="models=resnet18")
    assert planned == {"data": 1, "export": 1, "latency": 1, "train": 1, "table": 1}
    model = create_model("resnet18", num_classes=10)
    model(torch.randn(2, 3, 32, 32)).sum().backward()


TANH = {
    "kernels/reference.py": [
        ('    "algebraic": lambda', '    "tanh": torch.tanh,\n'),
        ('    "algebraic": _algebraic', '    "tanh": lambda u: (torch.tanh(u), 1 - torch.tanh(u).square()),\n'),
    ],
    "kernels/device.py": [
        ("ACTIVATION_CODES: dict", "TANH = tl.constexpr(4)\n"),
        ('"algebraic": ALGEBRAIC.value', '"tanh": TANH.value, '),
        ("    elif ACTIVATION == ALGEBRAIC:\n        return",
         "    elif ACTIVATION == TANH:\n        return 1.0 - 2.0 / (1.0 + tl.exp(2.0 * u))\n"),
        ("    elif ACTIVATION == ALGEBRAIC:\n        r =",
         "    elif ACTIVATION == TANH:\n"
         "        t = 1.0 - 2.0 / (1.0 + tl.exp(2.0 * u))\n        return t, 1.0 - t * t\n"),
    ],
    "hadaptive/nn/norms.py": [
        ("class DyAlge(", 'class DyTanh(DynamicActivation):\n    """Dynamic tanh (Zhu et al., 2025)."""\n\n'
                          '    name, kernel = "dytanh", "tanh"\n\n'
                          "    def activation(self, u: Tensor) -> Tensor:\n        return u.tanh()\n\n\n"),
        ("DyAlge)", "DyTanh, "),
    ],
    "hadaptive/paper/tables/layouts.py": [
        ('                ("dyalge", "Alge. Sigmoid"', '                ("dytanh", "Tanh", "DyTanh", "tanh(x)"),\n'),
    ],
    "params.yaml": [("  dyalge: {of", "  dytanh: {of: [hadaptive_net_s], options: {norm: dytanh}}\n")],
}  # fmt: skip
ON_EVERY_PATH = """
import torch, kernels
from hadaptive.nn.ach import AdaptiveCrossHadamard
from kernels import cpu, reference
torch.manual_seed(0)
assert kernels.has_triton(torch.device('cpu')), 'in the interpreter'
x, idx = torch.randn(2, 5, 3, 3), torch.tensor([[0, 2, 4], [3, 1, 0]])
alpha, weight, bias = torch.tensor([0.7]), torch.randn(3), torch.randn(3)
out = torch.randn(2, 8, 3, 3)
def graded(way):
    leaves = [tensor.clone().requires_grad_() for tensor in (x, alpha, weight, bias)]
    y = way(leaves[0], idx, activation='tanh', alpha=leaves[1], weight_P=leaves[2], bias_P=leaves[3])
    return y, torch.autograd.grad((y * out).sum(), leaves)
native = graded(lambda *a, **k: kernels.expand(*a, implementation='native', **k))
triton = graded(lambda *a, **k: kernels.expand(*a, implementation='fused', **k))
torch.testing.assert_close(triton, native)
y = cpu.expand(x, idx, None, 'tanh', alpha, weight, bias)
dx, _, dparams = cpu.expand_backward(out, y, idx, None, 'tanh', alpha, weight)
torch.testing.assert_close((y, (dx, dparams[:3], dparams[3:6])), (native[0], (native[1][0], *native[1][2:])))
products = reference.cross_hadamard(reference.select(x, idx))
by_hand = torch.tanh(0.7 * products) * weight.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1)
torch.testing.assert_close(native[0][:, 5:], by_hand)
layer = AdaptiveCrossHadamard(5, 3, norm='dytanh')
layer(x).sum().backward()
assert layer.norm.alpha.grad is not None
"""


def test_a_normalizer_is_four_files_and_a_line_of_params(project: Project) -> None:
    pytest.importorskip("triton")
    for file, changes in TANH.items():
        for before, text in changes:
            insert(project, file, before, text)
    python(project, f"{RENDER}render(study.tables['table1'], results, out)\n{ON_EVERY_PATH}", TRITON_INTERPRET="1")
    table = (project.folder / "paper_tables/table1.md").read_text()
    assert "| Function | Sigmoid | Softsign | Tanh | Alge. Sigmoid |" in table and "tanh(x)" in table
    rows = (project.folder / "paper_tables/table1.csv").read_text().splitlines()
    assert [row for row in rows if row.startswith("Tanh,hadaptive_net_s,dytanh") and row.endswith("not run")]
    assert "| Tanh |" in (project.folder / "paper_tables/table1_compare.md").read_text()


NEW_TABLE = """    "widths": Layout(
        title="The three sizes of Hadaptive-Net.",
        rows=tuple(
            Row(model=f"hadaptive_net_{size}", variant="dysoft", label=f"Hadaptive-Net-{size.upper()}")
            for size in "sml"
        ),
        columns=(*_top1(), *_counts()),
    ),
"""


def test_a_table_that_the_paper_lacks_is_one_layout(project: Project) -> None:
    insert(project, "hadaptive/paper/tables/layouts.py", '    "table2": Layout(', NEW_TABLE)
    project.edit("params.yaml", "scale: demo", "scale: cpu")
    (project.folder / "results").mkdir()
    (project.folder / "results/reference").symlink_to(ROOT / "results/reference")
    project.run("snakemake --cores 1 paper_tables/widths.tex")
    made = sorted(path.name for path in (project.folder / "paper_tables").glob("widths*"))
    assert made == ["widths.csv", "widths.md", "widths.tex"], "and none beside published values"
    rows = (project.folder / "paper_tables/widths.csv").read_text().splitlines()
    records = (ROOT / "results/reference/cpu/cifar100/hadaptive_net_s/dysoft").glob("*/record.json")
    seeds = [json.loads(path.read_text())["metrics"]["top1_last"] for path in records]
    assert [
        row for row in rows if row.startswith(f"Hadaptive-Net-S,hadaptive_net_s,dysoft,0,cpu,no,{fmean(seeds):.10g},")
    ]
    assert "no rule makes paper_tables/widths_compare.md" in project.snakemake(
        "paper_tables/widths_compare.md", "scale=cpu", ok=False
    )


def test_a_claim_is_one_entry(project: Project) -> None:
    claim = """    Claim("0", "A Softsign is better than an algebraic sigmoid", "Table 1",
          _all("table1", "top1", ("Softsign", "Alge. Sigmoid"))),
"""
    insert(project, "hadaptive/paper/claims/statements.py", '    Claim("1", "As DySoft', claim)
    project.edit("params.yaml", "scale: demo", "scale: cpu")
    (project.folder / "results").mkdir()
    (project.folder / "results/reference").symlink_to(ROOT / "results/reference")
    python(project, f"{RENDER}write(judge(study.claims, results), study.claims, out)")
    lines = (project.folder / "paper_tables/claims.csv").read_text().splitlines()
    assert [line for line in lines if line.startswith("0,") and "Softsign > Alge. Sigmoid" in line]
