"""The two entry points, `expand` and `topk_scores`: they check the input and choose the path by device and mode."""

from __future__ import annotations

import importlib.util
import warnings
from functools import cache

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

from . import ops, reference
from .layout import memory_format
from .triangular import count

IMPLEMENTATIONS = ("auto", "native", "direct_indexing", "parity_balanced", "fused")
MAX_K = 256
"""Most selected channels of the Triton kernels: they hold one column of k values for a block of pixels."""
MAX_C = 4096
"""Most channels that the top-k kernel ranks: it holds them all, and compares each with each."""
_warned: set[str] = set()
"""Devices that were warned about, once each."""


def expand(
    x_BCHW: Tensor,
    idx_BK: Tensor,
    gate_BK: Tensor | None = None,
    *,
    activation: str | None = "softsign",
    alpha: Tensor | None = None,
    weight_P: Tensor | None = None,
    bias_P: Tensor | None = None,
    implementation: str = "auto",
) -> Tensor:
    """Expand x by cross-Hadamard products: y = x ++ { f(alpha z_i z_j) w_p + b_p }, z = gate x[idx] (eqs. 2, 10, 11).

    x_BCHW: features; gradients flow to it, to gate, alpha, weight and bias, once differentiable.
    idx_BK: int32 or int64, the k selected channels of each sample, all different, in the order of the pairs.
    gate_BK: factors of the selected channels; 1 in value, they carry the straight-through gradient (eq. 9).
    activation: "softsign" (DySoft), "sigmoid" (DySig), "algebraic" (DyAlge), or None for the affine map alone.
    alpha: one element, only with an activation. weight_P, bias_P: by pair, p = i(2k-i-1)/2 + (j-i-1); default 1 and 0.
    implementation: "auto", or one of
      "native"           ordinary PyTorch operators, differentiable any number of times
      "direct_indexing", "parity_balanced"   the paper's two schemes (section 4.2), then normalisation and concatenation
                         as ordinary operators; GPU only
      "fused"            one operator: a Triton kernel on a GPU, chunks that stay in cache on the CPU
      "auto" is "fused" on a GPU and in eager mode on the CPU; it is "native" where the CPU's code is compiled, exported
      or traced, where the device has no Triton kernels (with one warning), and where input is beyond their limits.

    Returns y [B, C + k(k-1)/2, H, W] in x's dtype and memory layout. An index outside [0, C) is an error on the CPU; on
    a GPU, where finding it would stall the queue, "native" fails as torch.gather does and the kernels answer with NaN.
    Raises ValueError for shapes, dtypes, devices and settings that do not fit.
    """
    B, C, _, _ = _check_features(x_BCHW)
    if idx_BK.dim() != 2 or idx_BK.shape[0] != B:
        raise ValueError(f"idx has shape {list(idx_BK.shape)}; it must be [B, k] with x's B={B} samples")
    if idx_BK.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"idx has dtype {idx_BK.dtype}; it must hold channel numbers as int32 or int64")
    K = _check_k(idx_BK.shape[1], C)
    P = count(K)
    if activation is not None and activation not in reference.ACTIVATIONS:
        raise ValueError(
            f"activation={activation!r}; choose one of {', '.join(map(repr, reference.ACTIVATIONS))}, or None"
        )
    if activation is not None and (alpha is None or alpha.numel() != 1):
        raise ValueError(f"activation={activation!r} needs alpha, a tensor of one element")
    weight_P = x_BCHW.new_ones(P) if weight_P is None else weight_P
    bias_P = x_BCHW.new_zeros(P) if bias_P is None else bias_P
    for name, t, shape in (("gate", gate_BK, (B, K)), ("weight", weight_P, (P,)), ("bias", bias_P, (P,))):
        if t is not None and tuple(t.shape) != shape:
            raise ValueError(f"{name} has shape {list(t.shape)}; k={K} selected channels need {list(shape)}")
    _check_devices(x_BCHW, idx=idx_BK, gate=gate_BK, alpha=alpha, weight=weight_P, bias=bias_P)
    _check_range(idx_BK, C)

    chosen = _choose(implementation, x_BCHW, _beyond(x_BCHW, K))
    if chosen == "fused":
        y: Tensor = torch.ops.hadaptive.expand(x_BCHW, idx_BK, gate_BK, activation, alpha, weight_P, bias_P)
        return y
    if chosen == "native":  # its gather and index_select are always NCHW
        y = reference.expand(x_BCHW, idx_BK, gate_BK, activation, alpha, weight_P, bias_P)
        return y.contiguous(memory_format=memory_format(x_BCHW))
    q_BPHW = torch.ops.hadaptive.cross(x_BCHW, idx_BK, chosen)
    if gate_BK is not None:
        q_BPHW = q_BPHW * reference.cross_hadamard(gate_BK.to(q_BPHW.dtype)[:, :, None, None])
    q_BPHW = reference.normalise(q_BPHW, activation, alpha, weight_P, bias_P).to(x_BCHW.dtype)
    return torch.cat([x_BCHW, q_BPHW], dim=1).contiguous(memory_format=memory_format(x_BCHW))


def topk_scores(
    x_BCHW: Tensor,
    eca_weight: Tensor,
    k: int,
    noise_BC: Tensor | None = None,
    *,
    implementation: str = "auto",
) -> tuple[Tensor, Tensor]:
    """Return channel scores by ECA (eq. 3, without its constant bias) and the k highest of scores + noise (eqs. 4, 5).

    eca_weight: an odd number of taps, of any shape. noise_BC: the Gumbel noise of training. Returns (scores_BC in
    float32 at least, without the noise, differentiable in x and eca_weight; idx_BK int64 by falling rank). Ties go to
    the lower channel; NaN ranks highest, as in torch.topk, so the indices are always valid and different.
    implementation: "auto", "native" (PyTorch operators) or "fused" (one operator; a Triton kernel on a GPU).
    Raises ValueError for shapes, dtypes, devices and settings that do not fit.
    """
    B, C, H, W = _check_features(x_BCHW)
    _check_k(k, C)
    if eca_weight.numel() % 2 == 0:
        raise ValueError(f"eca_weight has {eca_weight.numel()} taps; it needs an odd number")
    if H * W == 0:
        raise ValueError(f"x has shape {list(x_BCHW.shape)}; the mean of no pixels is not defined")
    if noise_BC is not None and tuple(noise_BC.shape) != (B, C):
        raise ValueError(f"noise has shape {list(noise_BC.shape)}; it needs x's {[B, C]}")
    _check_devices(x_BCHW, eca_weight=eca_weight, noise=noise_BC)
    if implementation in ("direct_indexing", "parity_balanced"):
        raise ValueError(f"implementation={implementation!r} is a way to expand; choose 'auto', 'native' or 'fused'")
    beyond = f"C={C} channels; the kernel ranks at most {MAX_C}" if C > MAX_C else None
    if _choose(implementation, x_BCHW, beyond) == "fused":
        scores_BC, idx_BK = torch.ops.hadaptive.topk_scores(x_BCHW, eca_weight, k, noise_BC)
        return scores_BC, idx_BK
    return reference.topk_scores(x_BCHW, eca_weight, k, noise_BC)


@torch.compiler.assume_constant_result  # asked once a trace, by running it
def has_triton(device: torch.device) -> bool:
    """Return whether the Triton kernels run on `device`: triton is installed, and the device is a CUDA GPU of compute
    capability 7.0 or more (or the CPU, with Triton's interpreter on)."""
    return _has_triton(device)


@cache
def _has_triton(device: torch.device) -> bool:
    if importlib.util.find_spec("triton") is None:
        return False
    if device.type == "cuda":
        return torch.cuda.is_available() and torch.cuda.get_device_capability(device) >= (7, 0)
    return device.type == "cpu" and ops.interpreted()


@torch.compiler.assume_constant_result
def _warn_slow(device_type: str) -> None:
    if device_type in _warned:
        return
    _warned.add(device_type)
    warnings.warn(
        f"no Triton kernels for {device_type!r} here (triton missing, or a GPU it does not support): running in"
        " ordinary PyTorch operators, correct but slower; install triton, or pass implementation='native'",
        stacklevel=4,
    )


def _choose(implementation: str, x_BCHW: Tensor, beyond: str | None) -> str:
    if implementation not in IMPLEMENTATIONS:
        raise ValueError(f"implementation={implementation!r}; choose one of {', '.join(IMPLEMENTATIONS)}")
    if implementation == "native":
        return "native"
    on_cpu = x_BCHW.device.type == "cpu"
    triton = has_triton(x_BCHW.device)
    if implementation == "auto":
        if on_cpu:
            return "native" if _traced() or beyond else "fused"
        if not triton and x_BCHW.device.type != "meta":
            _warn_slow(x_BCHW.device.type)
        return "fused" if triton and not beyond else "native"
    if not triton and not (on_cpu and implementation == "fused"):
        raise ValueError(
            f"implementation={implementation!r} needs a CUDA GPU and triton; x is on {x_BCHW.device.type!r}:"
            " choose 'auto' or 'native'"
        )
    if beyond:
        raise ValueError(f"{beyond}: choose implementation='auto' or 'native', or smaller input")
    return implementation


def _traced() -> bool:
    return torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined]


def _beyond(x_BCHW: Tensor, K: int) -> str | None:
    """Return what of the input is beyond the kernels' limits: they count samples in 64 bits, elements of one in 32."""
    _, C, H, W = x_BCHW.shape
    if K > MAX_K:
        return f"k={K} selected channels; the kernels take at most {MAX_K}"
    if (C + count(K)) * H * W >= 2**31:
        return f"{C + count(K)} channels of {H}x{W} pixels are more than 2^31 elements a sample"
    return None


def _check_features(x_BCHW: Tensor) -> torch.Size:
    if x_BCHW.dim() != 4:
        raise ValueError(f"x has {x_BCHW.dim()} dimensions; it must be [B, C, H, W] (tokens: x.mT[..., None])")
    if not x_BCHW.is_floating_point():
        raise ValueError(f"x has dtype {x_BCHW.dtype}; it must be floating point")
    return x_BCHW.shape


def _check_k(k: int, C: int) -> int:
    if k < 2:
        raise ValueError(f"k={k}: a cross-Hadamard product needs at least two channels; choose k >= 2")
    if k > C:
        raise ValueError(f"k={k} channels cannot be selected out of C={C}; choose a smaller k")
    return k


def _check_devices(x_BCHW: Tensor, **others: Tensor | None) -> None:
    for name, t in others.items():
        if t is not None and t.device != x_BCHW.device:
            raise ValueError(f"{name} is on {t.device}, x on {x_BCHW.device}; move them to one device")


def _check_range(idx_BK: Tensor, C: int) -> None:
    """Only where it costs no synchronisation and there are values to look at."""
    if _traced() or isinstance(idx_BK, FakeTensor):
        return
    if idx_BK.device.type == "cpu" and idx_BK.numel():
        low, high = (int(t) for t in idx_BK.aminmax())
        if low < 0 or high >= C:
            raise ValueError(f"idx holds channel {low if low < 0 else high}; x has channels 0 to {C - 1}")
