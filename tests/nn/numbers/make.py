"""Inputs, weights and outputs of the paper's modules as numbers, for test_numbers.py.

`python -m tests.nn.numbers.make` writes them beside this file. Plain NumPy in float64, written from the paper's
equations and the facts of its authors' code; nothing of this project's modules is used. Inputs and weights are
hundredths, so that the files are short and exact.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
EPS = 1e-5  # of every batch norm
Array = np.ndarray[Any, np.dtype[np.float64]]
Weights = dict[str, Array]


class Draw:
    """Hundredths from a seeded generator."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def __call__(self, *shape: int, low: int = -150, high: int = 150) -> Array:
        return self.random.integers(low, high, shape) / 100

    def batch_norm(self, name: str, channels: int) -> Weights:
        return {
            f"{name}.weight": self(channels, low=50),
            f"{name}.bias": self(channels, low=-50, high=50),
            f"{name}.running_mean": self(channels, low=-50, high=50),
            f"{name}.running_var": self(channels, low=50),
        }


def convolution(x: Array, weight: Array, stride: int = 1, padding: int = 0, groups: int = 1) -> Array:
    """Cross-correlation, as deep learning calls a convolution."""
    B, _, H, W = x.shape
    out, per_group, size, _ = weight.shape
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    rows, columns = ((n + 2 * padding - size) // stride + 1 for n in (H, W))
    y = np.zeros((B, out, rows, columns))
    for o in range(out):
        first = o // (out // groups) * per_group
        for r in range(rows):
            for c in range(columns):
                window = x[:, first : first + per_group, r * stride : r * stride + size, c * stride : c * stride + size]
                y[:, o, r, c] = (window * weight[o]).sum((1, 2, 3))
    return y


def channelwise(values: Array) -> Array:
    return values[:, None, None]


def batch_norm(x: Array, w: Weights, name: str, statistics: tuple[Array, Array] | None = None) -> Array:
    mean, var = statistics or (w[f"{name}.running_mean"], w[f"{name}.running_var"])
    scaled = (x - channelwise(mean)) / np.sqrt(channelwise(var) + EPS)
    return scaled * channelwise(w[f"{name}.weight"]) + channelwise(w[f"{name}.bias"])


def hardswish(x: Array) -> Array:
    return x * np.clip(x + 3, 0, 6) / 6


def curve(name: str, u: Array) -> Array:
    if name == "dysoft":
        return u / (1 + np.abs(u))
    if name == "dyalge":
        return u / np.sqrt(1 + u**2)
    sigmoid = 1 / (1 + np.exp(-u))
    return sigmoid - 0.5 if name == "dysig" else sigmoid


def slope_of_softsign(u: Array) -> Array:
    return 1 / (1 + np.abs(u)) ** 2


def eca(mean: Array, kernel: Array) -> Array:
    """1-D convolution over the channels' means (eq. 3), kernel 5, without bias and sigmoid."""
    padded = np.pad(mean, ((0, 0), (2, 2)))
    return sum(kernel[t] * padded[:, t : t + mean.shape[1]] for t in range(5))


def evaluation(mean: Array, w: Weights, most: float) -> Array:
    """The first version's evaluation network: C -> C/4 -> C, with ReLU or, with `most` 6, ReLU6 between."""
    hidden = np.clip(mean @ w["reduce.weight"].T + w["reduce.bias"], 0, most)
    return hidden @ w["expand.weight"].T + w["expand.bias"]


def pairs(k: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(k) for j in range(i + 1, k)]


def crosshada(products: Array, mean: Array, var: Array, cov: Array, mixed: float) -> Array:
    """CrossHadaNorm of products [B, P, H, W] of channels with these running statistics [B, k]."""
    y = np.empty_like(products)
    for b in range(len(products)):
        for p, (i, j) in enumerate(pairs(mean.shape[1])):
            m, v = mean[b, i] * mean[b, j], var[b, i] * var[b, j]
            v += var[b, i] * mean[b, j] ** 2 + mean[b, i] ** 2 * var[b, j] + mixed * cov[p] * m + cov[p] ** 2
            y[b, p] = (products[b, p] - (cov[p] + m)) / math.sqrt(v + EPS)
    return y


def selected(features: Array, ranked: Array, k: int) -> tuple[Array, Array]:
    """Indices [B, k] by falling rank, and those channels of each sample."""
    index = np.argsort(-ranked, axis=1, kind="stable")[:, :k]
    return index, np.stack([sample[chosen] for sample, chosen in zip(features, index, strict=True)])


def products_of(z: Array) -> Array:
    return np.stack([z[:, i] * z[:, j] for i, j in pairs(z.shape[1])], 1)


def ach(x: Array, w: Weights, k: int, prefix: str = "") -> Array:
    """The module in evaluation: 1x1 convolution, batch norm, ECA, each sample's k best channels, products, DySoft."""
    w = {name.removeprefix(prefix): value for name, value in w.items()}
    mixed = convolution(x, w["pointwise.weight"]) + channelwise(w["pointwise.bias"])
    features = batch_norm(mixed, w, "bn")
    _, z = selected(features, eca(features.mean((2, 3)), w["score.weight"].ravel()), k)
    normed = curve("dysoft", w["norm.alpha"] * products_of(z)) * channelwise(w["norm.weight"])
    return np.concatenate((features, normed + channelwise(w["norm.bias"])), 1)


def ach_weights(draw: Draw, channels: int, k: int, prefix: str = "") -> Weights:
    P = len(pairs(k))
    w = {
        "pointwise.weight": draw(channels, channels, 1, 1),
        "pointwise.bias": draw(channels),
        **draw.batch_norm("bn", channels),
        "score.weight": draw(1, 1, 5),
        "norm.alpha": np.array([0.5]),
        "norm.weight": draw(P),
        "norm.bias": draw(P),
    }
    return {prefix + name: value for name, value in w.items()}


def make_ach() -> dict[str, Any]:
    """Evaluation; and a training step with given noise, with the gradient of ECA's kernel of either sign."""
    draw, k, tau = Draw(1), 3, 4.0
    x, w, noise = draw(2, 5, 1, 2), ach_weights(draw, 5, k), draw(2, 5)
    found = {"k": k, "weights": w, "x": x, "evaluation": ach(x, w, k), "noise": noise, "tau": tau}

    mixed = convolution(x, w["pointwise.weight"]) + channelwise(w["pointwise.bias"])
    mean, var = mixed.mean((0, 2, 3)), mixed.var((0, 2, 3))
    features = batch_norm(mixed, w, "bn", (mean, var))
    pooled = features.mean((2, 3))
    perturbed = eca(pooled, w["score.weight"].ravel()) + noise
    index, z = selected(features, perturbed, k)
    u = w["norm.alpha"] * products_of(z)
    y = curve("dysoft", u) * channelwise(w["norm.weight"]) + channelwise(w["norm.bias"])
    dy = draw(*np.concatenate((features, y), 1).shape)
    # Back through products and gates to the softmax (eqs. 4 to 6, 9), and through the scores to the kernel.
    dq = dy[:, features.shape[1] :] * channelwise(w["norm.weight"]) * slope_of_softsign(u) * w["norm.alpha"]
    dz = np.zeros_like(z)
    for p, (i, j) in enumerate(pairs(k)):
        dz[:, i] += dq[:, p] * z[:, j]
        dz[:, j] += dq[:, p] * z[:, i]
    dgate = (dz * z).sum((2, 3))
    M = np.exp(perturbed / tau) / np.exp(perturbed / tau).sum(1, keepdims=True)
    dscores = np.zeros_like(M)
    for b in range(len(M)):
        for s, c in enumerate(index[b]):
            dscores[b] += dgate[b, s] * M[b, c] * ((np.arange(M.shape[1]) == c) - M[b]) / tau
    padded = np.pad(pooled, ((0, 0), (2, 2)))
    dkernel = np.array([(dscores * padded[:, t : t + M.shape[1]]).sum() for t in range(5)])
    return found | {
        "index": index,
        "training": np.concatenate((features, y), 1),
        "dy": dy,
        "kernel_gradient": {"paper": dkernel, "released": -dkernel},
    }


def make_curves() -> dict[str, Any]:
    """Each curve at its start, on a few products, and with other parameters."""
    draw = Draw(2)
    x = draw(1, 3, 1, 2, low=-400, high=400)
    w, b, alpha = draw(3), draw(3), 0.7
    found: dict[str, Any] = {"x": x, "alpha": alpha, "weight": w, "bias": b}
    starts = {"dysoft": (0.5, 1.0), "dyalge": (0.5, 1.0), "dysig": (0.35, 2.0), "sigmoid": (0.5, 1.0)}
    for name, (at, times) in starts.items():
        other = curve(name, alpha * x) * channelwise(w) + channelwise(b)
        found[name] = {"start": curve(name, at * x) * times, "other": other}
    return found


def make_crosshada() -> dict[str, Any]:
    """Either sign of the mixed term, on running statistics of the channels that each of two samples selected."""
    draw = Draw(3)
    products, cov = draw(2, 3, 1, 2), draw(3, low=-30, high=30)
    mean, var = draw(2, 3), draw(2, 3, low=150, high=300)
    found: dict[str, Any] = {"products": products, "mean": mean, "var": var, "covariance": cov}
    for name, mixed in (("crosshada", -2.0), ("crosshada_corrected", 2.0)):
        found[name] = crosshada(products, mean, var, cov, mixed)
    return found


def make_evaluation() -> dict[str, Any]:
    """Scores of the first version's evaluation network, with ReLU (text) and ReLU6 (code)."""
    draw = Draw(4)
    w = {"reduce.weight": draw(2, 8), "reduce.bias": draw(2), "expand.weight": draw(8, 2), "expand.bias": draw(8)}
    mean = draw(2, 8, low=-400, high=400)
    hidden = mean @ w["reduce.weight"].T + w["reduce.bias"]
    assert hidden.max() > 6 > 0 > hidden.min()
    scores = {"evaluation": evaluation(mean, w, math.inf), "evaluation_relu6": evaluation(mean, w, 6.0)}
    return {"weights": w, "mean": mean, **scores}


def make_temperature() -> dict[str, Any]:
    """Algorithm 1 with the paper's step and the code's: tau of each training forward, after the gradients before it."""
    norms = [None, 2.0, 1.5, 1.5, None, 1.75, 0.25, 0.125]
    found: dict[str, Any] = {"norms": norms}
    for step in (0.01, 0.005):
        tau, history, taus = 4.0, 0.0, []
        for norm in norms:
            if history != 0 and norm is not None:
                tau = min(max(tau * (1 + step * (1 if norm >= history else -1)), 0.01), 4.0)
            history = history if norm is None else norm
            taus.append(tau)
        found[str(step)] = taus
    return found


def make_ghost() -> dict[str, Any]:
    """ceil(e C / 2) channels by 1x1 convolution, batch norm, hardswish; as many by depthwise 3x3, batch norm."""
    draw, expansion = Draw(5), 2.5
    half = math.ceil(expansion * 3 / 2)
    w = {
        "primary.0.weight": draw(half, 3, 1, 1),
        **draw.batch_norm("primary.1", half),
        "cheap.0.weight": draw(half, 1, 3, 3),
        **draw.batch_norm("cheap.1", half),
    }
    x = draw(1, 3, 2, 3)
    return {"expansion": expansion, "weights": w, "x": x, "y": ghost(x, w)}


def ghost(x: Array, w: Weights, prefix: str = "") -> Array:
    w = {name.removeprefix(prefix): value for name, value in w.items()}
    half = len(w["primary.0.weight"])
    primary = hardswish(batch_norm(convolution(x, w["primary.0.weight"]), w, "primary.1"))
    cheap = batch_norm(convolution(primary, w["cheap.0.weight"], padding=1, groups=half), w, "cheap.1")
    return np.concatenate((primary, cheap), 1)


def bottleneck(expanded: Array, w: Weights, kernel: int, stride: int, residual: Array | None) -> Array:
    """Depthwise convolution with hardswish, projection without activation, and the input where it fits (A.3)."""
    padding = (kernel - 1) // 2
    deep = convolution(expanded, w["depthwise.0.weight"], stride, padding, groups=expanded.shape[1])
    deep = hardswish(batch_norm(deep, w, "depthwise.1"))
    y = batch_norm(convolution(deep, w["project.0.weight"]), w, "project.1")
    return y if residual is None else y + residual


def make_bottlenecks() -> dict[str, Any]:
    """An adaptive bottleneck of each kind of Hadaptive-Net: ACH at stride 1, Ghost with kernel 2 at stride 2."""

    def outer(draw: Draw, width: int, out: int, kernel: int) -> Weights:
        return {
            "depthwise.0.weight": draw(width, 1, kernel, kernel),
            **draw.batch_norm("depthwise.1", width),
            "project.0.weight": draw(out, width, 1, 1),
            **draw.batch_norm("project.1", out),
        }

    draw = Draw(6)
    x, w = draw(1, 3, 2, 2), ach_weights(draw, 3, 2, "expansion.") | outer(draw, 4, 3, 5)
    inner = {name: value for name, value in w.items() if name.startswith("expansion.")}
    y = bottleneck(ach(x, inner, 2, "expansion."), w, 5, 1, residual=x)
    found: dict[str, Any] = {"ach": {"k": 2, "kernel": 5, "stride": 1, "weights": w, "x": x, "y": y}}

    draw = Draw(7)
    x = draw(1, 2, 4, 2)
    w = {
        "expansion.primary.0.weight": draw(2, 2, 1, 1),
        **draw.batch_norm("expansion.primary.1", 2),
        "expansion.cheap.0.weight": draw(2, 1, 3, 3),
        **draw.batch_norm("expansion.cheap.1", 2),
        **outer(draw, 4, 3, 2),
    }
    inner = {name: value for name, value in w.items() if name.startswith("expansion.")}
    y = bottleneck(ghost(x, inner, "expansion."), w, 2, 2, residual=None)
    found["ghost"] = {"expansion": 2.0, "kernel": 2, "stride": 2, "weights": w, "x": x, "y": y}
    return found


MADE = {
    "ach": make_ach,
    "curves": make_curves,
    "crosshada": make_crosshada,
    "evaluation": make_evaluation,
    "temperature": make_temperature,
    "ghost": make_ghost,
    "bottlenecks": make_bottlenecks,
}


def plain(value: Any) -> Any:
    """Arrays as nested lists."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value


def text(value: Any) -> str:
    """JSON, one entry a line."""
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(each, separators=(',', ':'))}" for name, each in value.items())
    return f"{{\n{lines}\n}}\n"


def main() -> None:
    for name, make in MADE.items():
        (HERE / f"{name}.json").write_text(text(plain(make())))


if __name__ == "__main__":
    main()
