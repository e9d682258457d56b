"""The expansion alone, at the shapes that ACH has in Hadaptive-Net: ways of it side by side, against a plain copy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

import kernels
from hadaptive.measure.bench_kernels.clock import Case, Clock, attempt, side_by_side
from hadaptive.nn.ach import AdaptiveCrossHadamard
from hadaptive.nn.zoo import create_model

NETS = ("hadaptive_net_s", "hadaptive_net_m", "hadaptive_net_l")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LAYOUTS = {"nhwc": torch.channels_last, "nchw": torch.contiguous_format}
PASSES = ("forward", "training", "backward")


@dataclass(frozen=True)
class Shape:
    """The input of an ACH layer; `net` has `layers` of this shape."""

    net: str
    channels: int
    k: int
    size: int
    layers: int = 1

    @property
    def pairs(self) -> int:
        return self.k * (self.k - 1) // 2


def ach_shapes(names: Sequence[str] = NETS, image_size: int = 224) -> list[Shape]:
    """Return every different ACH of these models at that image size, without computing anything."""
    layers_of: dict[tuple[str, int, int, int], int] = {}
    for net in names:
        model = create_model(net).to("meta").eval()

        def note(module: Any, inputs: tuple[Tensor, ...], net: str = net) -> None:
            key = (net, module.channels, module.k, inputs[0].shape[-1])
            layers_of[key] = layers_of.get(key, 0) + 1

        for part in model.modules():
            if isinstance(part, AdaptiveCrossHadamard):
                part.register_forward_pre_hook(note)
        with torch.no_grad():
            model(torch.empty(1, 3, image_size, image_size, device="meta"))
    return [Shape(*key, layers=layers) for key, layers in layers_of.items()]


@dataclass(frozen=True)
class Problem:
    """What is measured: a pass over one shape. `forward` is inference; `training` is forward and backward;
    `backward` is the second half of it."""

    shape: Shape
    what: str
    batch: int
    dtype: str
    layout: str

    def bytes_moved(self) -> int:
        """Return the least a pass must move: x in and y out; in the backward pass dy and the k channels in, dx out."""
        s, element = self.shape, DTYPES[self.dtype].itemsize
        pixels = self.batch * s.size**2 * element
        forward, backward = 2 * s.channels + s.pairs, 2 * s.channels + s.pairs + s.k
        return pixels * {"forward": forward, "backward": backward, "training": forward + backward}[self.what]

    def inputs(self, device: torch.device) -> dict[str, Tensor]:
        """Random operands, the same each time. In training the parameters are float32, as under autocast."""
        s, dtype, layout = self.shape, DTYPES[self.dtype], LAYOUTS[self.layout]
        generator = torch.Generator(device).manual_seed(0)

        def normal(*size: int) -> Tensor:
            return torch.randn(*size, device=device, generator=generator)

        x_BCHW, dy_BCHW = (
            normal(self.batch, channels, s.size, s.size).to(dtype).contiguous(memory_format=layout)
            for channels in (s.channels, s.channels + s.pairs)
        )
        learned = torch.float32 if self.what != "forward" else dtype
        grads = {
            "x": x_BCHW,
            "gate": torch.ones(self.batch, s.k, device=device),
            "alpha": torch.full((1,), 0.5, device=device, dtype=learned),
            "weight": normal(s.pairs).to(learned),
            "bias": normal(s.pairs).to(learned),
        }
        if self.what != "forward":
            grads = {name: t.requires_grad_() for name, t in grads.items()}
        return {**grads, "idx": normal(self.batch, s.channels).topk(s.k).indices, "dy": dy_BCHW}

    def case(self, given: dict[str, Tensor], implementation: str, compiled: bool = False) -> Case:
        """Return one implementation of this problem."""

        def expand() -> Tensor:
            return kernels.expand(
                given["x"],
                given["idx"],
                given["gate"] if self.what != "forward" else None,
                alpha=given["alpha"],
                weight_P=given["weight"],
                bias_P=given["bias"],
                implementation=implementation,
            )

        forward: Callable[[], Tensor] = torch.compile(expand, dynamic=False) if compiled else expand
        wanted = [given[name] for name in ("x", "gate", "alpha", "weight", "bias")]

        def backward(y: Tensor) -> Tensor:
            return torch.autograd.grad(y, wanted, given["dy"])[0]

        if self.what == "forward":
            return Case(torch.no_grad()(forward))
        return Case(backward, forward) if self.what == "backward" else Case(lambda: backward(forward()))


def problems(shapes: Iterable[Shape], what: str, batches: Iterable[int], dtypes: Iterable[str]) -> Iterator[Problem]:
    """Yield every combination, the most telling first: a phase that is cut off has them."""
    shapes, dtypes = list(shapes), list(dtypes)
    for batch in batches:
        for layout in LAYOUTS:
            for dtype in dtypes:
                for shape in shapes:
                    yield Problem(shape, what, batch, dtype, layout)


def measured(
    clock: Clock, problems: Iterable[Problem], ways: Mapping[str, tuple[str, bool]], copy_gb_per_s: float, rounds: int
) -> Iterator[dict[str, Any]]:
    """Yield a row per problem. `ways`: name -> (implementation, whether it is compiled); "native" is among them."""
    for problem in problems:
        torch.compiler.reset()  # or the compiler would give up after a few shapes of one function
        given = problem.inputs(clock.device)
        cases = {name: problem.case(given, *way) for name, way in ways.items()}
        results = side_by_side(cases, clock.time_us, rounds)
        moved, reference = problem.bytes_moved(), attempt(cases["native"].once)
        for name, result in results.items():
            if result["status"] == "done":
                result["gb_per_s"] = moved / result["median_us"] / 1e3
                result["of_copy"] = result["gb_per_s"] / copy_gb_per_s
                result["difference"] = attempt(_difference, cases[name], reference)
                result.update(clock.extras(cases[name]))
        shape, batch = problem.shape, problem.batch
        case = {"pass": problem.what, "batch": batch, "dtype": problem.dtype, "layout": problem.layout}
        elements = batch * shape.size**2 * (shape.channels + shape.pairs)
        yield {**asdict(shape), **case, "elements": elements, "bytes": moved, "ways": results}


def _difference(case: Case, reference: Tensor) -> float:
    """Relative error in the Euclidean norm."""
    wide = reference.double()
    return float((case.once().double() - wide).norm() / wide.norm())
