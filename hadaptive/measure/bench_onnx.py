"""What the fast form is worth on the CPU: a model's two ONNX files side by side in one run, `hadaptive bench onnx`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime

from hadaptive.measure.export import export_onnx, has_fast_form
from hadaptive.measure.latency import busyness, cores, image, session, timed_ns, undisturbed
from hadaptive.measure.statistics import summary
from hadaptive.nn.zoo import create_model
from hadaptive.records import processor

FORMS = ("plain", "fast")


def onnx_ratios(
    models: Sequence[str], runs: int = 200, threads: int = 1, *, image_size: int = 224, warmup: int = 10
) -> dict[str, Any]:
    """Compare the time of each model's plain export with its fast form: batch 1, ONNX Runtime, weights from seed 0.

    In each of `runs` rounds both are timed once, in turns which first. Each timed run follows an untimed one of the
    same file, which brings its weights back into the cache: alone in its process a model finds them there.

    Returns `models`: by name, for "plain" and "fast" the keys of `summary` and `nodes`; `ratio_of_medians`;
    `median_of_ratios` of rounds with its quartiles `q1_of_ratios`, `q3_of_ratios`; `difference`, the largest between
    the two outputs relative to the largest output. Beside it the settings, and how busy the machine was before and
    after.

    Raises ValueError for senseless numbers, a model without ACH, and more threads than there are cores.
    """
    if runs < 1 or threads < 1 or warmup < 0:
        raise ValueError(f"runs={runs}, warmup={warmup}, threads={threads}: need runs >= 1, warmup >= 0, threads >= 1")
    if threads > len(cores(threads)):
        raise ValueError(f"{threads} threads asked for, {len(cores(threads))} cores available; use fewer threads")
    before = busyness()
    measured = {name: _ratio(name, runs, threads, image_size, warmup) for name in models}
    return {
        "models": measured,
        "settings": {"runs": runs, "warmup": warmup, "threads": threads, "image_size": image_size, "batch": 1},
        "processor": processor(),
        "runtime": f"onnxruntime {onnxruntime.__version__}, CPUExecutionProvider",
        "before": before,
        "after": busyness(),
    }


def _ratio(name: str, runs: int, threads: int, image_size: int, warmup: int) -> dict[str, Any]:
    import torch

    torch.manual_seed(0)
    model = create_model(name)
    if not has_fast_form(model):
        raise ValueError(f"{name} has no ACH layer, so one form only; choose models that have, such as hadaptive_net_s")
    with TemporaryDirectory() as folder:
        files = {form: export_onnx(model, Path(folder, form), image_size, fast=form == "fast") for form in FORMS}
        nodes = {form: len(onnx.load(files[form]).graph.node) for form in FORMS}
        with undisturbed(cores(threads)):
            sessions = {form: session(files[form], threads) for form in FORMS}
            feed = {"image": image(image_size)}
            times_ns = {form: np.empty(runs) for form in FORMS}
            for n in range(-warmup, runs):
                for form in FORMS if n % 2 else reversed(FORMS):
                    sessions[form].run(None, feed)
                    time_ns = timed_ns(sessions[form], feed)
                    if n >= 0:
                        times_ns[form][n] = time_ns
            plain, fast = (np.asarray(sessions[form].run(None, feed)[0]) for form in FORMS)
    q1, median, q3 = np.quantile(times_ns["plain"] / times_ns["fast"], (0.25, 0.5, 0.75))
    return {
        **{form: {**summary(times_ns[form] / 1e6), "nodes": nodes[form]} for form in FORMS},
        "ratio_of_medians": float(np.median(times_ns["plain"]) / np.median(times_ns["fast"])),
        "median_of_ratios": float(median),
        "q1_of_ratios": float(q1),
        "q3_of_ratios": float(q3),
        "difference": float(np.abs(plain - fast).max() / np.abs(plain).max()),
    }
