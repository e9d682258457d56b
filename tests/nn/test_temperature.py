"""Algorithm 1 against a restatement in plain Python, and where its state lives."""

from __future__ import annotations

import copy
import io
import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hadaptive.nn.temperature import Temperature


def algorithm_1(norms: list[float | None], alpha: float, tau: float) -> list[float]:
    """The paper's lines, one gradient norm (or NULL) a forward."""
    history, taus = 0.0, []
    for norm in norms:
        if history != 0 and norm is not None:
            delta = 1 if norm >= history else -1
            tau = min(max(tau * (1 + alpha * delta), 0.01), 4.0)
        if norm is not None:
            history = norm
        taus.append(tau)
    return taus


def run(temperature: Temperature, norms: list[float | None]) -> list[float]:
    taus = []
    for norm in norms:
        if norm is not None:
            weight = torch.zeros(2, dtype=torch.float64, requires_grad=True)
            grad = torch.tensor([0.6, 0.8], dtype=torch.float64) * norm
            temperature.watch(weight).backward(grad)
            torch.testing.assert_close(weight.grad, grad, rtol=0, atol=0, equal_nan=True)
        taus.append(temperature.step().item())
    return taus


# Norms in eighths, zero and NULL among them, so that the order never hangs on the last bit of a square root.
NORMS = st.lists(st.none() | st.integers(0, 1000).map(lambda n: n / 8), max_size=60)


@settings(max_examples=40)
@given(NORMS, st.sampled_from([0.005, 0.01, 0.3]), st.sampled_from([4.0, 1.0]))
@example([2.0], 0.01, 1.0)
def test_follows_algorithm_1(norms: list[float | None], alpha: float, start: float) -> None:
    # Equal norms count as "not smaller"; bit-equal gradients give bit-equal norms, so ties are exact too.
    actual = run(Temperature(alpha, start).double(), norms)
    np.testing.assert_allclose(actual, algorithm_1(norms, alpha, start), rtol=1e-12)


def test_clamps_at_both_ends() -> None:
    temperature = Temperature(0.5)
    falling = [2.0**-i for i in range(20)]
    assert run(temperature, falling)[-1] == pytest.approx(0.01)
    assert run(temperature, [2.0**i for i in range(20)])[-1] == 4.0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_counts_as_none(bad: float) -> None:
    assert run(Temperature().double(), [2.0, bad, 1.0, bad]) == pytest.approx([4.0, 4.0, 3.96, 3.96])


def test_state_dict_round_trip_continues_the_sequence() -> None:
    norms: list[float | None] = [3.0, 2.0, None, 1.5, 1.25, 2.0]
    whole = run(Temperature().double(), norms)
    first = Temperature().double()
    run(first, norms[:3])
    # A backward whose norm is still pending, as at the end of every training step.
    first.watch(torch.zeros(1, dtype=torch.float64, requires_grad=True)).backward(
        torch.tensor([1.5], dtype=torch.float64)
    )
    buffer = io.BytesIO()
    torch.save(first.state_dict(), buffer)
    buffer.seek(0)
    second = Temperature().double()
    second.load_state_dict(torch.load(buffer))
    assert [second.step().item(), *run(second, norms[4:])] == whole[3:]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_copies_watch_their_own_gradient(duplicate: type) -> None:
    original = Temperature()
    run(original, [3.0, 2.0])
    other = duplicate(original)
    assert run(other, [1.0]) == pytest.approx([4.0 * 0.99**2])
    assert original.tau.item() == pytest.approx(4.0 * 0.99)


def test_tau_of_a_forward_survives_the_next_step() -> None:
    """Two forwards before a backward: autograd must not find the first one's tau overwritten."""
    temperature = Temperature()
    score = torch.ones(3, requires_grad=True)
    losses = [(score / temperature.step()).sum() for _ in range(2)]
    sum(losses).backward()
    assert torch.isfinite(score.grad).all()


@pytest.mark.parametrize("step", [-0.1, 1.0])
def test_bad_step_is_named(step: float) -> None:
    with pytest.raises(ValueError, match="tau_step"):
        Temperature(step)
