"""torch.compile, torch.export and AOTInductor over the operators and over the entry points."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import kernels

# of inductor itself, in some releases
pytestmark = [pytest.mark.filterwarnings(f"ignore::{name}Warning") for name in ("Deprecation", "Future")]


@pytest.fixture(autouse=True)
def _fresh_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The compiler's caches do not see an operator's body: after an edit they are stale, silently."""
    monkeypatch.setenv("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch.compiler.reset()


class Layer(nn.Module):
    """Selection and expansion as the ACH module does them."""

    def __init__(self, channels: int, k: int, implementation: str) -> None:
        super().__init__()
        self.k, self.implementation = k, implementation
        self.eca = nn.Parameter(torch.randn(3))
        self.alpha = nn.Parameter(torch.tensor([0.5]))
        self.weight = nn.Parameter(torch.randn(k * (k - 1) // 2))
        self.bias = nn.Parameter(torch.randn(k * (k - 1) // 2))

    def forward(self, x: Tensor) -> Tensor:
        how = self.implementation
        scores, idx = kernels.topk_scores(x, self.eca, self.k, implementation=how)
        soft = scores.softmax(1).gather(1, idx)
        gate = 1 + soft - soft.detach()
        return kernels.expand(
            x, idx, gate, alpha=self.alpha, weight_P=self.weight, bias_P=self.bias, implementation=how
        )


def operators(graph: torch.fx.Graph) -> set[str]:
    return {str(node.target) for node in graph.nodes if "hadaptive" in str(node.target)}


def gradients(layer: nn.Module, run: nn.Module, x: Tensor) -> list[Tensor]:
    x = x.detach().requires_grad_()
    y = run(x)
    weights = torch.linspace(-1, 1, y[0].numel()).view(y[0].shape)
    return [y, *torch.autograd.grad((y * weights).sum(), [x, *layer.parameters()])]


@pytest.mark.parametrize("implementation", ["auto", "fused"])
def test_compiles_into_one_graph_with_dynamic_batch(implementation: str) -> None:
    layer = Layer(8, 4, implementation)
    compiled = torch.compile(layer, fullgraph=True, dynamic=True, backend="aot_eager")
    for batch in (2, 3, 5):
        x = torch.randn(batch, 8, 4, 6).contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(gradients(layer, compiled, x), gradients(layer, layer, x))


def test_compiled_by_inductor_auto_is_native_and_right() -> None:
    layer, seen = Layer(8, 4, "auto"), set()

    def backend(module: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        seen.update(operators(module.graph))
        return torch._inductor.compile(module, inputs)

    x = torch.randn(2, 8, 4, 6)
    compiled = torch.compile(layer, fullgraph=True, backend=backend)
    torch.testing.assert_close(compiled(x), layer(x))
    assert not seen


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("implementation", ["auto", "fused"])
def test_exports_with_dynamic_batch(implementation: str, strict: bool) -> None:
    layer = Layer(8, 4, implementation)
    dynamic = {"x": {0: torch.export.Dim("batch", min=1, max=1024)}}
    program = torch.export.export(layer, (torch.randn(3, 8, 4, 6),), dynamic_shapes=dynamic, strict=strict)
    names = {"hadaptive.expand.default", "hadaptive.topk_scores.default"}
    assert operators(program.graph) == (names if implementation == "fused" else set())
    for batch in (1, 7):
        x = torch.randn(batch, 8, 4, 6)
        torch.testing.assert_close(program.module()(x), layer(x))


@pytest.mark.filterwarnings("ignore")  # of the exporter itself
def test_auto_exports_to_onnx_in_standard_operators() -> None:
    pytest.importorskip("onnxscript")
    dynamic = {"x": {0: torch.export.Dim("batch", min=1, max=1024)}}
    program = torch.onnx.export(
        Layer(8, 4, "auto"), (torch.randn(3, 8, 4, 6),), dynamo=True, dynamic_shapes=dynamic, verbose=False
    )
    assert program is not None
    assert {node.domain for node in program.model.graph} == {""}


@pytest.mark.slow
@pytest.mark.parametrize("implementation", ["auto", "fused"])
def test_ahead_of_time_with_dynamic_batch(implementation: str, tmp_path: Path) -> None:
    layer = Layer(8, 4, implementation)
    dynamic = {"x": {0: torch.export.Dim("batch", min=1, max=1024)}}
    with torch.no_grad():
        program = torch.export.export(layer, (torch.randn(3, 8, 4, 6),), dynamic_shapes=dynamic)
        package = torch._inductor.aoti_compile_and_package(program, package_path=str(tmp_path / "layer.pt2"))
        run = torch._inductor.aoti_load_package(package)
        for batch in (1, 7):
            x = torch.randn(batch, 8, 4, 6)
            torch.testing.assert_close(run(x), layer(x))


@pytest.mark.slow
def test_inductor_runs_the_operators_forward_and_backward() -> None:
    layer = Layer(8, 4, "fused")
    x = torch.randn(2, 8, 4, 6).contiguous(memory_format=torch.channels_last)
    compiled = torch.compile(layer, fullgraph=True)
    torch.testing.assert_close(gradients(layer, compiled, x), gradients(layer, layer, x))
