"""A kernel launch as a value: to run it, or to compile it for a GPU that is not there. Imports triton."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import triton
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

_TYPES = {
    torch.float16: "fp16",
    torch.bfloat16: "bf16",
    torch.float32: "fp32",
    torch.float64: "fp64",
    torch.int32: "i32",
    torch.int64: "i64",
}


@dataclass(frozen=True)
class Launch:
    """One kernel, its number of programs and its arguments by name; `tl.constexpr` parameters are among them."""

    kernel: Any
    programs: int
    args: Mapping[str, Any]
    num_warps: int

    @property
    def _options(self) -> dict[str, Any]:
        return {"num_warps": self.num_warps, "enable_fp_fusion": True}  # said outright: its default is about to change

    def run(self) -> None:
        """Launches the kernel on the current stream. No program, no launch: an empty batch is not an error."""
        if self.programs >= 2**31:
            raise ValueError(f"{self.programs} programs are more than a GPU's grid holds; split the batch")
        if self.programs > 0:
            self.kernel[(self.programs,)](**self.args, **self._options)

    def compile(self, arch: int = 90) -> Any:
        """Compiles for compute capability `arch` (90: Hopper) without a GPU, specialised as a launch would be."""
        signature: dict[str, str] = {}
        constants: dict[str, Any] = {}
        attributes: dict[tuple[int, ...], list[list[Any]]] = {}
        for n, (name, parameter) in enumerate(inspect.signature(self.kernel.fn).parameters.items()):
            value = self.args[name]
            if "constexpr" in str(parameter.annotation) or value is None:
                signature[name], constants[name] = "constexpr", value
                continue
            if isinstance(value, Tensor):
                signature[name] = "*" + _TYPES[value.dtype]
                aligned = value.storage_offset() * value.element_size() % 16 == 0
            elif value == 1:
                signature[name], constants[name] = "constexpr", 1
                continue
            else:
                signature[name] = "i32" if -(2**31) <= value < 2**31 else "i64"
                aligned = value % 16 == 0
            if aligned:
                attributes[(n,)] = [["tt.divisibility", 16]]
        source = ASTSource(self.kernel, signature, constexprs=constants, attrs=attributes)
        return triton.compile(source, target=GPUTarget("cuda", arch, 32), options=self._options)


def power_of_two(n: int) -> int:
    """Return the smallest power of two that is at least n (and at least 1)."""
    return int(triton.next_power_of_2(max(n, 1)))


def blocks(n: int, size: int) -> int:
    """Return the number of blocks of `size` that cover n."""
    return -(-n // size)
