"""What forms of an ONNX file cost on the CPU: all of them, of several models, in one run, `hadaptive bench onnx`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from hadaptive.measure.export import export_onnx, has_fast_form
from hadaptive.measure.latency import busyness, cores, image, session, timed_ns, undisturbed
from hadaptive.measure.low_precision import half, int8
from hadaptive.measure.statistics import summary
from hadaptive.nn.zoo import create_model
from hadaptive.records import processor


def onnx_ratios(
    models: Sequence[str],
    runs: int = 200,
    threads: int = 1,
    *,
    image_size: int = 224,
    warmup: int = 10,
    low_precision: bool = False,
) -> dict[str, Any]:
    """Compare the time of models and of their forms: batch 1, ONNX Runtime, weights from seed 0.

    Forms: "plain", the inference form; "fast", of models with ACH, the same function (`fast_form`). With
    `low_precision` also "fp16" and "int8" of the faster of these, which are other functions and are measured for
    comparison alone.
    In each of `runs` rounds all are timed once, every other round in reverse. Each timed run follows an untimed one of
    the same file, which brings its weights back into the cache: alone in its process a model finds them there.

    Returns `models`: by name, for each form the keys of `summary`, `nodes`, `difference`, the largest from the plain
    output relative to the largest output, `over_plain` and `over_first`: its time over that of the plain form, and over
    that of the first model in its faster form; medians of the rounds' ratios, with quartiles. Beside it the settings,
    and how busy the machine was before and after.

    Raises ValueError for senseless numbers, and more threads than there are cores.
    """
    if runs < 1 or threads < 1 or warmup < 0:
        raise ValueError(f"runs={runs}, warmup={warmup}, threads={threads}: need runs >= 1, warmup >= 0, threads >= 1")
    if threads > len(cores(threads)):
        raise ValueError(f"{threads} threads asked for, {len(cores(threads))} cores available; use fewer threads")
    before = busyness()
    with TemporaryDirectory() as folder:
        files = {name: _forms(name, Path(folder, name), image_size, low_precision) for name in models}
        nodes = {file: len(onnx.load(file).graph.node) for forms in files.values() for file in forms.values()}
        with undisturbed(cores(threads)):
            times_ns, outputs = _timed(list(nodes), image_size, runs, warmup, threads)
    first = files[models[0]]
    reference_ns = times_ns[first.get("fast", first["plain"])]
    return {
        "models": {
            name: {
                form: {
                    **summary(times_ns[file] / 1e6),
                    "nodes": nodes[file],
                    "difference": float(np.abs(outputs[file] - outputs[forms["plain"]]).max() / scale),
                    "over_plain": _ratio(times_ns[file] / times_ns[forms["plain"]]),
                    "over_first": _ratio(times_ns[file] / reference_ns),
                }
                for form, file in forms.items()
            }
            for name, forms in files.items()
            for scale in [np.abs(outputs[forms["plain"]]).max()]
        },
        "settings": {"runs": runs, "warmup": warmup, "threads": threads, "image_size": image_size, "batch": 1},
        "processor": processor(),
        "runtime": f"onnxruntime {onnxruntime.__version__}, CPUExecutionProvider",
        "before": before,
        "after": busyness(),
    }


def _forms(name: str, folder: Path, image_size: int, low_precision: bool) -> dict[str, Path]:
    """Export a model in its forms; return their files."""
    import torch

    torch.manual_seed(0)
    model = create_model(name)
    folder.mkdir()
    names = ("plain", "fast") if has_fast_form(model) else ("plain",)
    files = {form: export_onnx(model, folder / form, image_size, fast=form == "fast") for form in names}
    if low_precision:
        fastest = files[names[-1]]
        files |= {
            "fp16": half(fastest, folder / "fp16"),
            "int8": int8(fastest, folder / "int8", image(image_size)),
        }
    return files


def _timed(
    files: list[Path], image_size: int, runs: int, warmup: int, threads: int
) -> tuple[dict[Path, NDArray[Any]], dict[Path, NDArray[Any]]]:
    """Return the nanoseconds [runs] of each file, taken in turns, and its output."""
    sessions = {file: session(file, threads) for file in files}
    feed = {"image": image(image_size)}
    times_ns = {file: np.empty(runs) for file in files}
    for n in range(-warmup, runs):
        for file in files if n % 2 else reversed(files):
            sessions[file].run(None, feed)
            time_ns = timed_ns(sessions[file], feed)
            if n >= 0:
                times_ns[file][n] = time_ns
    return times_ns, {file: np.asarray(one.run(None, feed)[0]) for file, one in sessions.items()}


def _ratio(ratios: NDArray[Any]) -> dict[str, float]:
    q1, median, q3 = (float(q) for q in np.quantile(ratios, (0.25, 0.5, 0.75)))
    return {"median": median, "q1": q1, "q3": q3}
