"""The adaptive cross-Hadamard module (section 3, Figure 2)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

import kernels
from hadaptive.nn.norms import NORMS, AffineCrossHadaNorm, CrossHadaNorm, DynamicActivation
from hadaptive.nn.scores import SCORES, EcaScore, Watch
from hadaptive.nn.temperature import TEMPERATURES, Temperature, TrainedTemperature
from kernels.triangular import count

SELECTIONS = ("gumbel", "topk", "fixed")
STRAIGHT_THROUGH = ("paper", "released")
PRODUCT_OF = ("normalised", "unnormalised")


def known(kind: str, name: str, names: Mapping[str, Any] | tuple[str, ...]) -> str:
    """Return the name, or a ValueError that lists the known ones."""
    if name not in names:
        raise ValueError(f"unknown {kind} {name!r}; known: {', '.join(names)}")
    return name


def gumbel_like(scores: Tensor) -> Tensor:
    """Draw standard Gumbel noise, -log(-log(u)) with u uniform (eq. 4); -log(u) is drawn as an exponential."""
    tiny = torch.finfo(scores.dtype).tiny
    return -torch.empty_like(scores).exponential_().clamp_min(tiny).log()


def straight_through_gate(perturbed_BC: Tensor, index_Bk: Tensor, tau: Tensor, ste: str) -> Tensor:
    """Return the selected entries of M^H: exactly 1 each, with the gradient of the softmax M behind them (eqs. 4-6).

    Row s of the mapping matrix (eqs. 8, 9) holds M^H at channel S_s and zeros elsewhere, so its product with X is the
    gathered channels times this gate [B, k]. `ste="paper"` passes dM/dscores (eq. 6), `"released"` its exact negative,
    which is what `hard + m.detach() - m` in the authors' code amounts to.
    """
    m_Bk = (perturbed_BC / tau).softmax(1).gather(1, index_Bk)
    return 1 + (m_Bk - m_Bk.detach() if ste == "paper" else m_Bk.detach() - m_Bk)


def select_and_cross(x_BCHW: Tensor, index_Bk: Tensor, gate_Bk: Tensor | None) -> Tensor:
    """Gather each sample's k channels, gate them, multiply all pairs: [B, C, H, W] -> [B, k(k-1)/2, H, W] (eq. 10).

    A channels_last input stays so: there the channels are the last axis of a plain matrix, where both steps are fast.
    """
    B, _, H, W = x_BCHW.shape
    k = index_Bk.shape[1]
    if x_BCHW.is_contiguous():
        z_BKHW = x_BCHW.gather(1, index_Bk[:, :, None, None].expand(B, k, H, W))
        if gate_Bk is not None:
            z_BKHW = z_BKHW * gate_Bk[:, :, None, None].to(z_BKHW.dtype)
        return kernels.cross_hadamard(z_BKHW)
    z_BHWK = x_BCHW.permute(0, 2, 3, 1).gather(3, index_Bk[:, None, None, :].expand(B, H, W, k))
    if gate_Bk is not None:
        z_BHWK = z_BHWK * gate_Bk[:, None, None, :].to(z_BHWK.dtype)
    return kernels.cross_hadamard(z_BHWK.reshape(B * H * W, k)).view(B, H, W, -1).permute(0, 3, 1, 2)


class AdaptiveCrossHadamard(nn.Module):
    """Expand C channels to C + k(k-1)/2: the C mixed channels, then the products of the k of them that score highest.

    1x1 convolution and batch norm give x; its channel means give a score per channel; each sample's k best channels,
    in order of descending score, are multiplied pair by pair, row by row (product p joins two ranks, not two fixed
    channels), normalised, and appended to x (eqs. 2-11). In training the choice is by scores + Gumbel noise, with a
    straight-through gradient to the scores at an adaptive temperature; in evaluation by the scores alone.

    The ranking is of scores + noise and not of their softmax: the same set in exact arithmetic, while in float32 the
    softmax underflows to ties at small tau. So tau scales the straight-through gradient and never changes the choice.

    Args:
        channels: C, of the input. At least k.
        k: channels selected, at least 2.
        norm: of the products: "dysoft" (the paper), "dysig" and "dyalge" (Table 1), "sigmoid" (as "dysig", with the
            start of the other two), "batchnorm", "crosshada" (arXiv v1 as released), "crosshada_corrected" (with the
            sign that joint normals have), "crosshada_affine" (with the moments of normalised channels), "none".
        ste: straight-through gradient: "paper" (eq. 6) or "released" (the authors' code: its negative).
        tau_step: alpha of Algorithm 1, 0.01 in the paper and 0.005 in the authors' code.
        temperature: "adaptive" (Algorithm 1) or "trained" (by the optimiser, from 1.8, arXiv v1 as released).
        pointwise: False leaves out the 1x1 convolution (batch norm stays).
        score: "eca" (eq. 3), "learned" (input-independent), "evaluation" (two layers, arXiv v1), "evaluation_relu6"
            (the same as released).
        selection: "gumbel"; "topk", the same without noise; "fixed", the first k channels, nothing to score.
        product_of: "normalised", channels after batch norm; "unnormalised", the same channels before it: a comparison
            design of arXiv v1 (its Table 1). Scores and the C channels that the products are appended to are normalised
            in both.
        implementation: of the expansion, as in `kernels.expand`: "auto" (the fastest for device and mode), "native",
            "direct_indexing", "parity_balanced" (the paper's two GPU schemes, Table 4), "fused". Batch norm and
            CrossHadaNorm, whose statistics need the products first, always take PyTorch's operators.

    Shape: [B, C, H, W] -> [B, out_channels, H, W], memory format kept; out_channels = C + k(k-1)/2.
    Raises: ValueError for k < 2, k > channels, and unknown names.
    """

    def __init__(
        self,
        channels: int,
        k: int,
        *,
        norm: str = "dysoft",
        ste: str = "paper",
        tau_step: float = 0.01,
        temperature: str = "adaptive",
        pointwise: bool = True,
        score: str = "eca",
        selection: str = "gumbel",
        product_of: str = "normalised",
        implementation: str = "auto",
    ) -> None:
        super().__init__()
        if k < 2:
            raise ValueError(f"k={k}: a cross-Hadamard product needs at least two channels; choose k >= 2")
        if k > channels:
            raise ValueError(f"k={k} channels cannot be selected of {channels}; choose k <= {channels}")
        self.channels = channels
        self.k = k
        self.out_channels = channels + count(k)
        self.ste = known("straight-through gradient", ste, STRAIGHT_THROUGH)
        self.selection = known("selection", selection, SELECTIONS)
        self.product_of = known("product_of", product_of, PRODUCT_OF)
        self.implementation = known("implementation", implementation, kernels.IMPLEMENTATIONS)
        known("score", score, SCORES)
        known("temperature", temperature, TEMPERATURES)
        self.pointwise = nn.Conv2d(channels, channels, 1) if pointwise else nn.Identity()
        self.bn = nn.BatchNorm2d(channels)
        self.score = None if selection == "fixed" else SCORES[score](channels)
        trained = temperature == "trained"
        self.temperature = None if selection == "fixed" else TrainedTemperature() if trained else Temperature(tau_step)
        self.norm = NORMS[known("norm", norm, NORMS)](k)

    def select(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the k channels' indices [B, k] by descending score and, in training, their gate [B, k], all ones."""
        if self.score is None or self.temperature is None:
            return torch.arange(self.k, device=x_BCHW.device).expand(x_BCHW.shape[0], -1), None
        # Scores, noise and softmax in at least float32: bfloat16 has too few digits to rank channels by.
        with _without_autocast(x_BCHW.device.type):
            if not self.training:
                return self.ranked(x_BCHW, None, _identity)[1], None
            tau = self.temperature.step()
            noise_BC = None
            if self.selection == "gumbel":
                dtype = torch.promote_types(x_BCHW.dtype, torch.float32)
                noise_BC = gumbel_like(torch.empty(x_BCHW.shape[:2], dtype=dtype, device=x_BCHW.device))
            scores_BC, index_Bk = self.ranked(x_BCHW, noise_BC, self.temperature.watch)
            perturbed_BC = scores_BC if noise_BC is None else scores_BC + noise_BC
            return index_Bk, straight_through_gate(perturbed_BC, index_Bk, tau, self.ste)

    def ranked(self, x_BCHW: Tensor, noise_BC: Tensor | None, watch: Watch) -> tuple[Tensor, Tensor]:
        """Return scores [B, C], without noise, and the k highest of scores + noise, best first [B, k]."""
        assert self.score is not None
        if isinstance(self.score, EcaScore):
            paper = self.implementation in ("direct_indexing", "parity_balanced")  # schemes of the expansion alone
            how = "native" if paper else self.implementation
            return kernels.topk_scores(x_BCHW, watch(self.score.weight), self.k, noise_BC, implementation=how)
        scores_BC = self.score(x_BCHW.mean((2, 3), dtype=torch.promote_types(x_BCHW.dtype, torch.float32)), watch)
        perturbed_BC = scores_BC if noise_BC is None else scores_BC + noise_BC
        return scores_BC, perturbed_BC.topk(self.k, dim=1).indices

    def moments(self, mixed_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean and standard deviation [C] that the multiplied channels have, for AffineCrossHadaNorm.

        Normalised channels have its bias and weight (arXiv v1, section 3.3). Before it, they have the statistics that
        it divides by: the batch's in training, the stored ones in evaluation.
        """
        if self.product_of == "normalised":
            return self.bn.bias, self.bn.weight
        if self.training:
            var_C, mean_C = torch.var_mean(mixed_BCHW.to(self.bn.weight.dtype), (0, 2, 3), correction=0)
        else:
            assert self.bn.running_mean is not None and self.bn.running_var is not None
            var_C, mean_C = self.bn.running_var, self.bn.running_mean
        return mean_C, (var_C + self.bn.eps).sqrt()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        mixed_BCHW = self.pointwise(x_BCHW)
        x_BCHW = self.bn(mixed_BCHW)
        index_Bk, gate_Bk = self.select(x_BCHW)
        norm: Any = self.norm
        if isinstance(norm, DynamicActivation) and self.product_of == "normalised":
            affine = {"alpha": norm.alpha, "weight_P": norm.weight, "bias_P": norm.kernel_bias()}
            how = self.implementation
            return kernels.expand(x_BCHW, index_Bk, gate_Bk, activation=norm.kernel, **affine, implementation=how)
        factors_BCHW = x_BCHW if self.product_of == "normalised" else mixed_BCHW
        products_BPHW = select_and_cross(factors_BCHW, index_Bk, gate_Bk)
        if isinstance(norm, CrossHadaNorm):
            assert self.bn.running_mean is not None and self.bn.running_var is not None
            products_BPHW = norm(products_BPHW, self.bn.running_mean[index_Bk], self.bn.running_var[index_Bk])
        elif isinstance(norm, AffineCrossHadaNorm):
            mean_C, std_C = self.moments(mixed_BCHW)
            products_BPHW = norm(products_BPHW, mean_C[index_Bk], std_C[index_Bk])
        else:
            products_BPHW = norm(products_BPHW)
        return torch.cat((x_BCHW, products_BPHW), 1)

    def extra_repr(self) -> str:
        chosen = f"ste={self.ste}, selection={self.selection}, product_of={self.product_of}, {self.implementation}"
        return f"{self.channels} -> {self.out_channels}, k={self.k}, {chosen}"


def _without_autocast(device: str) -> contextlib.AbstractContextManager[Any]:
    # Entered only where it changes something, so that exported graphs stay free of it. "meta" knows no autocast.
    if device != "meta" and torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return contextlib.nullcontext()


def _identity(weight: Tensor) -> Tensor:
    return weight
