"""What users get wrong, and the one clear message each time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import kernels
from kernels import dispatch

X = torch.randn(2, 6, 3, 3)
IDX = torch.tensor([[0, 2, 4], [5, 1, 3]])
ONE = torch.ones(1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kernels.expand(X[0], IDX, alpha=ONE), "x has 3 dimensions"),
        (lambda: kernels.expand(X.int(), IDX, alpha=ONE), "floating point"),
        (lambda: kernels.expand(X, IDX[:1], alpha=ONE), r"B=2 samples"),
        (lambda: kernels.expand(X, IDX.float(), alpha=ONE), "int32 or int64"),
        (lambda: kernels.expand(X, IDX.to(torch.uint8), alpha=ONE), "int32 or int64"),
        (lambda: kernels.expand(X, IDX[:, :1], alpha=ONE), "choose k >= 2"),
        (lambda: kernels.expand(X[:, :2], IDX, alpha=ONE), "k=3 channels cannot be selected out of C=2"),
        (lambda: kernels.expand(X, IDX + 1, alpha=ONE), "idx holds channel 6; x has channels 0 to 5"),
        (lambda: kernels.expand(X, IDX - 1, alpha=ONE), "idx holds channel -1"),
        (
            lambda: kernels.expand(X, IDX, alpha=ONE, implementation="native", activation="tanh"),
            "'softsign', 'sigmoid'",
        ),
        (lambda: kernels.expand(X, IDX), "needs alpha"),
        (lambda: kernels.expand(X, IDX, alpha=torch.ones(3)), "needs alpha"),
        (lambda: kernels.expand(X, IDX, torch.ones(2, 4), alpha=ONE), r"gate has shape \[2, 4\]; .* need \[2, 3\]"),
        (lambda: kernels.expand(X, IDX, alpha=ONE, weight_P=torch.ones(4)), "weight has shape"),
        (lambda: kernels.expand(X, IDX, alpha=ONE, bias_P=torch.ones(3, 1)), "bias has shape"),
        (lambda: kernels.expand(X, IDX, alpha=ONE.to("meta")), "alpha is on meta, x on cpu"),
        (lambda: kernels.expand(X, IDX, alpha=ONE, implementation="fast"), "choose one of auto, native"),
        (lambda: kernels.expand(X, IDX, alpha=ONE, implementation="direct_indexing"), "needs a CUDA GPU"),
        (lambda: kernels.expand(X, IDX, alpha=ONE, implementation="parity_balanced"), "needs a CUDA GPU"),
        (lambda: kernels.topk_scores(X, torch.ones(3), 7), "k=7 channels cannot be selected out of C=6"),
        (lambda: kernels.topk_scores(X, torch.ones(3), 1), "choose k >= 2"),
        (lambda: kernels.topk_scores(X, torch.ones(4), 2), "odd number"),
        (lambda: kernels.topk_scores(X[..., :0], torch.ones(3), 2), "no pixels"),
        (lambda: kernels.topk_scores(X, torch.ones(3), 2, torch.zeros(2, 5)), "noise has shape"),
        (lambda: kernels.topk_scores(X, torch.ones(3), 2, implementation="direct_indexing"), "a way to expand"),
        (lambda: kernels.pairs(1), "choose k >= 2"),
    ],
)
def test_is_named(call: Callable[[], Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("implementation", ["auto", "native", "fused"])
def test_an_empty_batch_and_an_empty_image_pass_through(implementation: str) -> None:
    for x, idx in ((X[:0], IDX[:0]), (X[..., :0], IDX)):
        x = x.clone().requires_grad_()
        y = kernels.expand(x, idx, torch.ones(idx.shape), alpha=ONE, implementation=implementation)
        assert y.shape == (x.shape[0], 9, *x.shape[2:])
        y.sum().backward()
        assert x.grad is not None
        assert x.grad.shape == x.shape
    scores, idx = kernels.topk_scores(X[:0], torch.ones(3), 2)
    assert idx.shape == (0, 2)
    assert scores.shape == (0, 6)


@pytest.mark.parametrize("implementation", ["native", "fused"])
def test_nan_scores_still_give_valid_different_indices(implementation: str) -> None:
    x = torch.randn(3, 6, 2, 2)
    x[0, 4] = float("nan")
    x[1] = float("nan")
    x[2] = float("inf")
    _, idx = kernels.topk_scores(x, torch.tensor([0.0, 1.0, 0.0]), 5, implementation=implementation)
    assert all(len(set(row)) == 5 and set(row) <= set(range(6)) for row in idx.tolist())


def _sample_of_2_to_the_31_elements() -> Tensor:
    return torch.zeros(()).expand(1, 3, 2**15, 2**15)


def test_a_sample_over_2_to_the_31_elements_is_refused_by_the_kernels_only() -> None:
    x, idx = _sample_of_2_to_the_31_elements(), torch.tensor([[0, 1, 2]])
    with pytest.raises(ValueError, match="2\\^31 elements a sample"):
        kernels.expand(x, idx, alpha=ONE, implementation="fused")
    assert dispatch._choose("auto", x, dispatch._beyond(x, 3)) == "native"


def test_a_gpu_without_triton_warns_once_and_takes_the_slow_path(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnGPU:
        device = torch.device("cuda", 0)

    monkeypatch.setattr(dispatch, "has_triton", lambda device: False)
    monkeypatch.setattr(dispatch, "_warned", set())
    with pytest.warns(UserWarning, match="no Triton kernels for 'cuda'"):
        assert dispatch._choose("auto", OnGPU(), None) == "native"  # type: ignore[arg-type]
    assert dispatch._choose("auto", OnGPU(), None) == "native"  # type: ignore[arg-type]  # a second warning is an error
    with pytest.raises(ValueError, match="choose 'auto' or 'native'"):
        dispatch._choose("fused", OnGPU(), None)  # type: ignore[arg-type]
