"""Verbs that make results: data, trainings, measurements."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from hadaptive.cli.common import Verb, params, prepared, study
from hadaptive.errors import UserError

if TYPE_CHECKING:
    from hadaptive.run import ModelMeasure


def add(verb: Verb) -> None:
    """Add these verbs to the command line."""
    data = verb("data", _data, "fetch, check and prepare a data set")
    data.add_argument("dataset", help="for example cifar100, coco, sst2")
    data.add_argument("--settings", help="JSON of the `data` part of params.yaml (default: params.yaml's)")
    data.add_argument("--out", type=Path, help="folder (default: data/prepared/DATASET)")
    data.add_argument("--image-size", type=int, help="of an image folder: decode it once to squares of so many pixels")
    data.add_argument("--dry-run", action="store_true", help="with --image-size: only estimate size and time")
    train = verb("train", _train, "train one Run, or resume it")
    train.add_argument("run", help="a Run's id (see `hadaptive runs`) or its JSON")
    train.add_argument("--device", help="a torch device (default: a free GPU, else cpu)")
    # The number of threads changes the order of additions, and so bits: the default is the workflow's, on any machine.
    train.set_defaults(threads=None)
    train.add_argument("--gpus", type=int, default=1, help="train on so many GPUs together (torchrun)")
    export = verb("export", _export, "count a model and export it to ONNX")
    export.add_argument("measure", help="JSON of the measure")
    export.add_argument("--onnx", type=Path, required=True, help="file for the fastest form of the model")
    export.add_argument("--plain", type=Path, required=True, help="file for the model as it is written")
    latency = verb("latency", _latency, "measure the latency of an exported model")
    latency.add_argument("measure", help="JSON of the measure")
    latency.add_argument("--onnx", type=Path, required=True, help="file with the fastest form of the model")
    latency.add_argument("--plain", type=Path, required=True, help="file with the model as it is written")
    measure = verb("measure", _measure, "measure kernels, variances, Grad-CAM, layers, or ways of expanding channels")
    measure.add_argument("measure", help="JSON of the measure")
    measure.add_argument("--limit", type=float, default=float("inf"), metavar="SECONDS", help="then skip what is left")


def _data(a: argparse.Namespace) -> None:
    from hadaptive.data import prepare
    from hadaptive.data.prepared import MANIFEST
    from hadaptive.data.settings import DATASETS, DataSettings
    from hadaptive.errors import nearest
    from hadaptive.recipes import MOST_PIXELS

    if a.dataset not in DATASETS:
        raise UserError(f"unknown data set {a.dataset!r}.{nearest(a.dataset, list(DATASETS))}")
    if a.image_size is not None and DATASETS[a.dataset].kind != "folder":
        raise UserError(f"{a.dataset} is no image folder, so there is nothing to decode; leave --image-size out")
    if a.image_size is not None and not 1 <= a.image_size <= MOST_PIXELS:
        raise UserError(f"--image-size {a.image_size}: give 1 to {MOST_PIXELS} pixels")
    if a.dry_run and a.image_size is None:
        raise UserError("--dry-run needs --image-size: it estimates what decoding takes")
    out = a.out or Path("data/prepared", a.dataset)
    if a.image_size is None or not (out / MANIFEST).exists():
        settings = DataSettings.model_validate_json(a.settings) if a.settings else params(a).data
        made = prepare(a.dataset, out, settings)
        print(f"{a.dataset}: {made['counts']} examples of {made['num_classes']} classes, from {made['source']}")
    if a.image_size is not None:
        from hadaptive.data.sharding import make, plan_of

        plan = plan_of(out, a.image_size)
        print(plan.text(a.threads), flush=True)
        plan.check_room()
        if not a.dry_run:
            made = make(plan, a.threads)
            print(f"{plan.folder}: {len(made['files'])} files, {made['source']}")


def _train(a: argparse.Namespace) -> None:
    from hadaptive.devices import claimed

    if a.gpus > 1 and "LOCAL_RANK" not in os.environ:
        with claimed(a.gpus, inherit=True):  # torchrun takes this process's place, its locks and its signals
            launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={a.gpus}", "-m", "hadaptive"]
            os.execv(sys.executable, [sys.executable, *launch, *sys.argv[1:]])
    from hadaptive.api import train_run
    from hadaptive.tasks import TASKS

    if a.run.startswith("{"):
        run = TASKS[json.loads(a.run)["task"]].run.model_validate_json(a.run)
    else:
        run = study(a).find(a.run)
    prepared(run.dataset)
    record, task = train_run(run, device=a.device, threads=a.threads), TASKS[run.task]
    reached = record.at("metrics", task.metric)
    if os.environ.get("RANK", "0") == "0":  # of several processes under torchrun the first
        print(f"{run.id}: {record.status}" + ("" if reached is None else f", {task.label} {reached:.2f} at the end"))


def _settled(measure: ModelMeasure) -> ModelMeasure:
    from hadaptive.search.found import settled

    return measure.model_copy(update={"options": settled(measure.options, measure.scale)})


def _export(a: argparse.Namespace) -> None:
    from hadaptive.measure.record import describe
    from hadaptive.record import envelope, write
    from hadaptive.records import write_text
    from hadaptive.run import ModelMeasure
    from hadaptive.search.found import NothingFound

    measure = ModelMeasure.model_validate_json(a.measure)
    try:
        found = describe(_settled(measure), a.onnx, a.plain)
    except NothingFound as error:
        for path in (a.onnx, a.plain):
            write_text(path, "")
        found = envelope(measure, {}, status=str(error))
    write(measure.folder / "record.json", found)


def _latency(a: argparse.Namespace) -> None:
    from hadaptive.devices import claimed
    from hadaptive.measure.record import latency
    from hadaptive.record import write
    from hadaptive.run import ModelMeasure

    measure = _settled(ModelMeasure.model_validate_json(a.measure))
    with claimed() as device:
        write(measure.folder / "record.json", latency(measure, a.onnx, a.plain, gpu=device == "cuda"))


def _measure(a: argparse.Namespace) -> None:
    from hadaptive.devices import claimed
    from hadaptive.record import write
    from hadaptive.study.measures import MEASURES, parse

    measure = parse(a.measure)
    kind = MEASURES[measure.kind]
    with claimed() if kind.gpu else contextlib.nullcontext("cpu") as device:
        module = import_module(kind.module)  # torch may look for GPUs only now that one is claimed
        more = {"gpu": device == "cuda", "limit_s": a.limit} if kind.gpu else {}
        fields = module.record(measure, **more)
    record = write(measure.folder / "record.json", fields)
    print(f"{measure.id}: {record.status}")
