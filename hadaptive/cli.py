"""The command line: one verb for each rule of the workflow, and a few for people. `hadaptive VERB --help` tells each.

Verbs import what they need when they run, so that `hadaptive runs` answers without loading torch.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from hadaptive.errors import UserError

DISK = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "your disk quota is used up; free some space",
    errno.EROFS: "the disk is read-only; choose a folder you can write to",
    errno.EACCES: "no permission to write there; choose a folder you can write to",
    errno.EPERM: "no permission to write there; choose a folder you can write to",
}


def main(words: list[str] | None = None) -> int:
    """Run one verb. Returns the exit code: 0, or 1 after one clear message on standard error."""
    arguments = _parser().parse_args(words)
    try:
        arguments.verb(arguments)
    except UserError as error:
        return _fail(str(error))
    except OSError as error:
        if error.errno not in DISK:
            raise
        return _fail(
            f"{error.filename or 'output'}: {DISK[error.errno]} and run the same command again; nothing is lost"
        )
    except KeyboardInterrupt:
        return _fail("interrupted; the same command goes on from the last finished epoch")
    return 0


def _fail(message: str) -> int:
    print(f"hadaptive: {message}", file=sys.stderr, flush=True)
    return 1


def _data(a: argparse.Namespace) -> None:
    from hadaptive.data import prepare
    from hadaptive.data.settings import DATASETS, DataSettings
    from hadaptive.errors import nearest

    if a.dataset not in DATASETS:
        raise UserError(f"unknown data set {a.dataset!r}.{nearest(a.dataset, list(DATASETS))}")
    settings = DataSettings.model_validate_json(a.settings) if a.settings else _params(a).data
    manifest = prepare(a.dataset, a.out or Path("data/prepared", a.dataset), settings)
    print(f"{a.dataset}: {manifest['counts']} images of {manifest['num_classes']} classes, from {manifest['source']}")


def _train(a: argparse.Namespace) -> None:
    from hadaptive.devices import claimed
    from hadaptive.experiments import find, trainer_code
    from hadaptive.identity import code_id
    from hadaptive.tasks import TASKS

    if a.run.startswith("{"):
        run = TASKS[json.loads(a.run)["task"]].run.model_validate_json(a.run)
    else:
        run = find(_params(a), a.run)
    data, work, task = _prepared(run.dataset), Path("work", run.scale, run.id), TASKS[run.task]
    code = code_id(*trainer_code(run))
    with claimed() if not a.device else contextlib.nullcontext(a.device) as device:
        train = import_module(task.trainer).train  # torch may look for GPUs only now that one is claimed
        record = train(run, data, run.folder, work, device=device, threads=a.threads, code=code)
    reached = record["metrics"][task.metric]
    print(f"{run.id}: {record['status']}" + ("" if reached is None else f", {task.said} {reached:.2f} at the end"))


def _prepared(dataset: str) -> Path:
    data = Path("data/prepared", dataset)
    if not (data / "manifest.json").exists():
        raise UserError(f"{data} is not prepared; run `hadaptive data {dataset}` first")
    return data


def _export(a: argparse.Namespace) -> None:
    from hadaptive.measure.record import describe
    from hadaptive.records import write_json
    from hadaptive.run import Measure

    measure = Measure.model_validate_json(a.measure)
    write_json(measure.folder / "record.json", describe(measure, a.onnx, a.plain))


def _latency(a: argparse.Namespace) -> None:
    from hadaptive.devices import claimed
    from hadaptive.measure.record import latency
    from hadaptive.records import write_json
    from hadaptive.run import Measure

    measure = Measure.model_validate_json(a.measure)
    with claimed() as device:
        write_json(measure.folder / "record.json", latency(measure, a.onnx, a.plain, gpu=device == "cuda"))


def _kernels(a: argparse.Namespace) -> None:
    from hadaptive.devices import claimed
    from hadaptive.records import write_json
    from hadaptive.run import KernelMeasure

    measure = KernelMeasure.model_validate_json(a.measure)
    with claimed() as device:
        from hadaptive.measure.bench_kernels.paper import record

        found = record(measure, gpu=device == "cuda", limit_s=a.limit)
    write_json(measure.folder / "record.json", found)
    print(f"{measure.id}: {found['status']}")


def _variance(a: argparse.Namespace) -> None:
    from hadaptive.measure.variance import record
    from hadaptive.records import write_json
    from hadaptive.run import VarianceMeasure

    measure = VarianceMeasure.model_validate_json(a.measure)
    write_json(measure.folder / "record.json", record(measure))


def _claims(a: argparse.Namespace) -> None:
    from hadaptive.experiments import claims
    from hadaptive.paper.claims import contradicted, judge
    from hadaptive.paper.claims_files import table, write
    from hadaptive.paper.spec import ClaimsSpec

    spec = ClaimsSpec.model_validate_json(a.spec) if a.spec else claims(_params(a))
    judged = judge(spec, Path("results"))
    print(table(judged))
    for path in write(judged, spec, a.out):
        print(path)
    if a.strict and (numbers := contradicted(judged)):
        raise UserError(f"contradicted at scale {spec.scale}: claims {', '.join(numbers)}; see {a.out / 'claims.md'}")


def _figure(a: argparse.Namespace) -> None:
    from hadaptive.errors import nearest
    from hadaptive.experiments import figures
    from hadaptive.paper.figures import render_figure
    from hadaptive.paper.spec import FigureSpec

    known = {} if a.spec else figures(_params(a))
    if not a.spec and a.figure not in known:
        raise UserError(f"no figure {a.figure!r}.{nearest(a.figure, list(known))}")
    spec = FigureSpec.model_validate_json(a.spec) if a.spec else known[a.figure]
    for path in render_figure(spec, Path("results"), a.out):
        print(path)


def _render(a: argparse.Namespace) -> None:
    from hadaptive.paper.render import render
    from hadaptive.paper.spec import TableSpec

    if a.spec:
        spec = TableSpec.model_validate_json(a.spec)
    else:
        from hadaptive.experiments import tables

        known = tables(_params(a))
        if a.table not in known:
            from hadaptive.errors import nearest

            raise UserError(f"no table {a.table!r}.{nearest(a.table, list(known))}")
        spec = known[a.table]
    for path in render(spec, Path("results"), a.out):
        print(path)


def _runs(a: argparse.Namespace) -> None:
    from hadaptive.experiments import absent_tasks, runs

    params = _params(a)
    for run in runs(params).values():
        record = run.folder / "record.json"
        print(f"{run.id:60} {json.loads(record.read_text())['status'] if record.exists() else 'not run'}")
    for task, reason in absent_tasks(params).items():
        print(f"{task:60} {reason}")


def _schema(a: argparse.Namespace) -> None:
    from hadaptive.config import dump_schema
    from hadaptive.records import write_text

    write_text(a.out, dump_schema())


def _bench(a: argparse.Namespace) -> None:
    {"train": _bench_train, "kernels": _bench_kernels, "onnx": _bench_onnx}[a.what](a)


def _bench_train(a: argparse.Namespace) -> None:
    from hadaptive.train.bench import loop_ratio

    data = _prepared(a.dataset)
    model = (a.models or ["hadaptive_net_s"])[0]
    print(json.dumps(loop_ratio(model, data, image_size=a.image_size, threads=a.threads), indent=1))


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

    models = a.models or ["hadaptive_net_s", "hadaptive_net_m", "hadaptive_net_l"]
    try:
        found = onnx_ratios(models, a.runs, a.threads)
    except ValueError as error:
        raise UserError(str(error)) from None
    if a.out:
        write_json(a.out, found)
    print(json.dumps(found, indent=1))


def _params(a: argparse.Namespace) -> Any:
    from hadaptive.config import check, load

    params = load()
    if a.scale:
        return check({**params.model_dump(mode="json"), "scale": a.scale})
    return params


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hadaptive", description="The paper, re-runnable.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, function: Any, text: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(verb=function)
        added.add_argument("--scale", help="a scale of params.yaml (default: the one it names)")
        added.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
        return added

    data = verb("data", _data, "fetch, check and prepare a data set")
    data.add_argument("dataset")
    data.add_argument("--settings", help="JSON of the `data` part of params.yaml (default: params.yaml's)")
    data.add_argument("--out", type=Path, help="folder (default: data/prepared/DATASET)")
    train = verb("train", _train, "train one Run, or go on with it")
    train.add_argument("run", help="a Run's id (see `hadaptive runs`) or its JSON")
    train.add_argument("--device", help="a torch device (default: a free GPU, else cpu)")
    export = verb("export", _export, "count a model and export it to ONNX")
    export.add_argument("measure", help="JSON of the measure")
    export.add_argument("--onnx", type=Path, required=True, help="file for the fastest form of the model")
    export.add_argument("--plain", type=Path, required=True, help="file for the model as it is written")
    latency = verb("latency", _latency, "measure the latency of an exported model")
    latency.add_argument("measure", help="JSON of the measure")
    latency.add_argument("--onnx", type=Path, required=True)
    latency.add_argument("--plain", type=Path, required=True)
    kernels = verb("kernels", _kernels, "measure the GPU kernels for Table 4 or Figure 7")
    kernels.add_argument("measure", help="JSON of the measure")
    kernels.add_argument("--limit", type=float, default=float("inf"), metavar="SECONDS", help="then skip what is left")
    variance = verb("variance", _variance, "measure variances of cross-Hadamard products for appendix A.2")
    variance.add_argument("measure", help="JSON of the measure")
    claims = verb("claims", _claims, "check the paper's claims on the records there are")
    claims.add_argument("--spec", help="JSON of what to check (default: derived from params.yaml)")
    claims.add_argument("--out", type=Path, default=Path("paper_tables"))
    claims.add_argument(
        "--strict", action="store_true", help="exit code 1 where one is contradicted, not counting demonstrations"
    )
    figure = verb("figure", _figure, "draw a figure from records")
    figure.add_argument("figure")
    figure.add_argument("--spec", help="JSON of the figure (default: derived from params.yaml)")
    figure.add_argument("--out", type=Path, default=Path("paper_tables"))
    render = verb("render", _render, "render a table from records")
    render.add_argument("table")
    render.add_argument("--spec", help="JSON of the table (default: derived from params.yaml)")
    render.add_argument("--out", type=Path, default=Path("paper_tables"))
    verb("runs", _runs, "list the Runs of a scale and how each stands")
    schema = verb("schema", _schema, "write the JSON schema of params.yaml")
    schema.add_argument("--out", type=Path, default=Path("workflow/params.schema.json"))
    bench = verb("bench", _bench, "ratios of ways of doing one thing, side by side in one run")
    bench.add_argument(
        "what", choices=["train", "kernels", "onnx"],
        help="train: the training loop against bare steps; kernels: implementations of ACH; onnx: forms of export",
    )  # fmt: skip
    bench.add_argument("--models", nargs="+", metavar="MODEL", help="train: one; onnx: any (default: ours)")
    bench.add_argument("--dataset", default="cifar100", help="train")
    bench.add_argument("--image-size", type=int, default=64, help="train")
    bench.add_argument("--runs", type=int, default=100, help="onnx")
    bench.add_argument("--budget", type=float, default=540, metavar="SECONDS", help="kernels: for all phases together")
    bench.add_argument("--out", type=Path, help="JSON record (kernels: default results/bench/kernels.json)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
