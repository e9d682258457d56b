"""Verbs that compare implementations by ratios measured in one run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hadaptive.cli.common import Verb, params, prepared
from hadaptive.errors import UserError, nearest


def add(verb: Verb) -> None:
    """Add these verbs to the command line."""
    bench = verb("bench", _bench, "compare implementations side by side, as ratios in one run")
    bench.add_argument(
        "what",
        choices=["train", "data", "kernels", "onnx", "search", "share", "workflow", "operators"],
        help="train: the training loop against bare steps (several processes: torchrun); data: ways of decoding an "
        "image folder; kernels: implementations of ACH; onnx: forms of export; "
        "search: a step of the architecture search against plain steps of its paths; share: several small trainings on "
        "one GPU against one alone; workflow: processor time of making a target, against a fixed calculation; "
        "operators: what takes the time of a training step on a CPU, against its roofline",
    )
    bench.add_argument(
        "--models",
        nargs="+",
        metavar="MODEL",
        help="train, share, operators: one; onnx: any, compared with the first (default: MobileNetV3-S and ours)",
    )
    bench.add_argument("--space", default="table3", help="search: a space of params.yaml")
    bench.add_argument("--dataset", default="cifar100", help="train, data, search, share (default: cifar100)")
    bench.add_argument("--image-size", type=int, default=64, help="pixels, for all but onnx and workflow (default: 64)")
    bench.add_argument("--batch-size", type=int, default=64, help="train, operators (default: 64)")
    bench.add_argument("--steps", type=int, default=12, help="train: steps a round (default: 12)")
    bench.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="train")
    bench.add_argument("--compile", choices=["no", "yes", "graphs"], default="no", help="train: the loop's model")
    bench.add_argument("--processes", type=int, default=4, help="share: up to how many on the GPU")
    bench.add_argument("--runs", type=int, default=100, help="onnx: runs of each form (default: 100)")
    bench.add_argument("--low-precision", action="store_true", help="onnx: int8 and fp16 too, for comparison")
    bench.add_argument("--target", default="paper_tables/table7.tex", help="workflow: the file to make")
    bench.add_argument("--cores", type=int, default=2, help="workflow: as for snakemake (default: 2)")
    bench.add_argument("--budget", type=float, default=540, metavar="SECONDS", help="kernels: for all phases together")
    bench.add_argument("--out", type=Path, help="JSON record (kernels: default results/bench/kernels.json)")


def _bench(a: argparse.Namespace) -> None:
    verbs = {"train": _bench_train, "kernels": _bench_kernels, "onnx": _bench_onnx, "search": _bench_search}
    {**verbs, "data": _bench_data, "share": _bench_share, "workflow": _bench_workflow, "operators": _bench_operators}[
        a.what
    ](a)


def _bench_workflow(a: argparse.Namespace) -> None:
    from hadaptive.measure.bench_workflow import workflow_cost

    print(json.dumps(workflow_cost(a.target, a.cores), indent=1))


def _bench_train(a: argparse.Namespace) -> None:
    from hadaptive.devices import gpus
    from hadaptive.train import ranks
    from hadaptive.train.bench import loop_ratio

    data = prepared(a.dataset)
    model = (a.models or ["hadaptive_net_s"])[0]
    with ranks.process_group("cuda" if gpus() else "cpu"):
        found = loop_ratio(
            model,
            data,
            image_size=a.image_size,
            threads=a.threads,
            batch_size=a.batch_size,
            steps=a.steps,
            precision=a.precision,
            compile="graphs" if a.compile == "graphs" else a.compile == "yes",
        )
        if ranks.is_main_process():
            print(json.dumps(found, indent=1))


def _bench_operators(a: argparse.Namespace) -> None:
    from hadaptive.measure.bench_operators import operator_times

    model = (a.models or ["hadaptive_net_s"])[0]
    found = operator_times(model, image_size=a.image_size, batch_size=a.batch_size, threads=a.threads)
    print(json.dumps(found, indent=1))


def _bench_data(a: argparse.Namespace) -> None:
    from hadaptive.measure.bench_data import decoding_ratios

    print(json.dumps(decoding_ratios(prepared(a.dataset), a.image_size), indent=1))


def _bench_search(a: argparse.Namespace) -> None:
    from hadaptive.search.bench import search_ratio

    spaces, data = params(a).search, prepared(a.dataset)
    if a.space not in spaces:
        raise UserError(f"no search space {a.space!r} in params.yaml.{nearest(a.space, list(spaces))}")
    found = search_ratio(spaces[a.space], data, image_size=a.image_size, threads=a.threads)
    print(json.dumps({"space": a.space, **found}, indent=1))


def _bench_share(a: argparse.Namespace) -> None:
    from hadaptive.devices import claimed

    if a.processes < 1:
        raise UserError(f"--processes {a.processes}: at least 1")
    with claimed() as device:
        if device == "cpu":
            raise UserError("bench share needs a CUDA device: it measures trainings that share one")
        from hadaptive.train.concurrency import concurrency_ratios

        model, threads = (a.models or ["hadaptive_net_s"])[0], max(1, a.threads // a.processes)
        found = concurrency_ratios(
            model, prepared(a.dataset), device=device, image_size=a.image_size, threads=threads, most=a.processes
        )
    print(json.dumps(found, indent=1))


def _bench_kernels(a: argparse.Namespace) -> None:
    from hadaptive.devices import claimed
    from hadaptive.measure.bench_kernels.report import table

    out = a.out or Path("results/bench/kernels.json")
    with claimed():
        from hadaptive.measure.bench_kernels.phases import bench_kernels

        record = bench_kernels(out, threads=a.threads, budget_s=a.budget)
    print(f"{table(record)}\n\n{out}")


def _bench_onnx(a: argparse.Namespace) -> None:
    from hadaptive.measure.bench_onnx import onnx_ratios
    from hadaptive.records import write_json

    models = a.models or ["mobilenetv3_small_100", "hadaptive_net_s", "hadaptive_net_m", "hadaptive_net_l"]
    try:
        found = onnx_ratios(models, a.runs, a.threads, low_precision=a.low_precision)
    except ValueError as error:
        raise UserError(str(error)) from None
    if a.out:
        write_json(a.out, found)
    print(json.dumps(found, indent=1))
