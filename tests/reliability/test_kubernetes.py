"""The profile for Kubernetes: the jobs that Snakemake's plugin really posts, to an API server on loopback."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from tests.reliability.cluster import LOG, TOKEN, Cluster, Json, serving
from tests.workflow.conftest import ROOT, SMALL, Project

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("snakemake_executor_plugin_kubernetes") is None, reason="uv sync --extra cluster"
)
RUN = "demo/cifar100/mobilenetv3_small_100/base/seed0"
RECORD = f"results/{RUN}/record.json"
HIDDEN = "kept-to-the-submitting-machine"


@pytest.fixture
def shared(fresh: Project, tmp_path: Path) -> Project:
    """The project in a shared folder with its environment in it, and a kubeconfig that leads to the cluster."""
    (fresh.folder / ".venv").symlink_to(sys.prefix)
    home = tmp_path / "home"
    home.mkdir()
    fresh.environment = {
        "PYTHONPATH": f"{fresh.folder}:{fresh.folder}/profiles/kubernetes",
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "HADAPTIVE_GPUS": "0",
        "HOME": str(home),
        "AWS_SECRET": HIDDEN,
    }
    return fresh


def command(shared: Project, config: str = SMALL) -> str:
    return (
        f".venv/bin/python -m snakemake --workflow-profile profiles/kubernetes {RECORD} "
        f"--seconds-between-status-checks 1 "
        f"--kubernetes-shared-persistent-volumes hadaptive:{shared.folder.parent} --latency-wait 5 --config {config}"
    )


def rule(job: Json) -> str:
    line: str = container(job)["args"][1]
    return line.partition("--allowed-rules ")[2].split()[0]


def container(job: Json) -> Json:
    only: Json
    (only,) = job["spec"]["template"]["spec"]["containers"]
    return only


def test_the_jobs_that_are_posted(shared: Project, tmp_path: Path) -> None:
    trainings = 0
    outputs = {
        "data": ["data/prepared/digits/manifest.json"],
        "train": [RECORD, f"results/{RUN}/last.pt", f"results/{RUN}/best.pt"],
    }

    def pod(job: Json) -> Callable[[], int]:
        nonlocal trainings
        trainings += rule(job) == "train"
        failed = rule(job) == "train" and trainings == 1  # the first training's pod is taken away
        if not failed:
            for file in outputs[rule(job)]:
                (shared.folder / file).parent.mkdir(parents=True, exist_ok=True)
                (shared.folder / file).write_text("{}")
        return lambda: int(failed)

    cluster = Cluster(pod)
    with serving(cluster, tmp_path / "kubeconfig"):
        shared.run(command(shared))

    prepare, first, again = cluster.jobs.values()
    assert [rule(job) for job in cluster.jobs.values()] == ["data", "train", "train"]
    assert set(cluster.deleted) >= set(cluster.jobs), "nothing is left on the cluster"
    (failed,) = (shared.folder / ".snakemake/auxiliary/kubernetes-logs").iterdir()
    assert failed.stem == first["metadata"]["name"] and LOG in failed.read_text(), "a failed pod's log is kept"
    assert first["spec"] == again["spec"] | {"template": first["spec"]["template"]}
    for job in cluster.jobs.values():
        _valid(job)
        pod_spec = job["spec"]["template"]["spec"]
        assert pod_spec["restartPolicy"] == "Never" and job["spec"]["backoffLimit"] == 0, "Snakemake tries again"
        (claim,) = (v for v in pod_spec["volumes"] if "persistentVolumeClaim" in v)
        assert claim["persistentVolumeClaim"] == {"claimName": "hadaptive"}
        mounted = {mount["mountPath"] for mount in container(job)["volumeMounts"] if mount["name"] == claim["name"]}
        assert mounted == {str(shared.folder.parent)}
        assert container(job)["image"].startswith("ghcr.io/astral-sh/uv:python3.")
        assert container(job)["command"] == ["/bin/sh"]
        shell, line = container(job)["args"]
        assert shell == "-c" and line.startswith(f"cd {shared.folder} && ")
        assert f"{shared.folder}/.venv/bin/python -m snakemake --snakefile '{shared.folder}/Snakefile' " in line
    for job in (first, again):
        wanted = {"cpu": "7600m", "memory": "16000M", "ephemeral-storage": "10000M", "nvidia.com/gpu": "1"}
        assert container(job)["resources"] == {"requests": wanted, "limits": wanted | {"cpu": "8000m"}}
        assert f"train:run={RUN.removeprefix('demo/')}" in container(job)["args"][1]
        assert "export HADAPTIVE_GPUS=0 && " in container(job)["args"][1], "trained on it, or not at all"
        (toleration,) = job["spec"]["template"]["spec"]["tolerations"]
        assert toleration["key"] == "nvidia.com/gpu"
    assert "nvidia.com/gpu" not in json.dumps(prepare), "no GPU for what uses none"
    assert "export HADAPTIVE_GPUS='' && " in container(prepare)["args"][1]

    assert cluster.asked <= _allowed(shared.folder / "profiles/kubernetes/submit.yaml")
    posted = json.dumps([*cluster.jobs.values(), *cluster.secrets])
    for secret in (TOKEN, HIDDEN, f"{tmp_path}/home", str(ROOT), sys.prefix, socket.gethostname()):
        assert secret not in posted.replace(str(shared.folder.parent), "")


def _valid(thing: Json) -> None:
    """Against Kubernetes' own schema, nothing besides it allowed."""
    validate = pytest.importorskip("kubernetes_validate")
    for version in ("1.30", validate.latest_version()):
        validate.validate({"apiVersion": "batch/v1", "kind": "Job", **thing}, version, strict=True)


def _allowed(manifest: Path) -> set[tuple[str, str, str]]:
    """What the pod to submit from may do; everything in its manifest is valid, and fits the profile."""
    things = {thing["kind"]: thing for thing in yaml.safe_load_all(manifest.read_text())}
    for thing in things.values():
        _valid(thing)
    profile = yaml.safe_load((manifest.parent / "config.yaml").read_text())
    (one,) = things["Pod"]["spec"]["containers"]
    volume = f"{things['PersistentVolumeClaim']['metadata']['name']}:{one['volumeMounts'][0]['mountPath']}"
    assert profile["kubernetes-shared-persistent-volumes"] == [volume]
    assert profile["container-image"] == one["image"]
    rules = things["Role"]["rules"]
    return {asked for rule in rules for asked in product(rule["apiGroups"], rule["resources"], rule["verbs"])}


def test_a_folder_on_no_volume_is_an_error_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from snakemake_interface_common.exceptions import WorkflowError

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "profiles/kubernetes")
    plugin = importlib.import_module("snakemake_executor_plugin_kubernetes_shared")
    volumes = importlib.import_module("snakemake_executor_plugin_kubernetes").parse_persistent_volumes(
        ["hadaptive:/shared"]
    )
    executor = object.__new__(plugin.Executor)
    executor.workflow = SimpleNamespace(executor_settings=plugin.ExecutorSettings(persistent_volumes=volumes))
    with pytest.raises(WorkflowError, match=f"^{tmp_path} is on no volume that the pods mount \\(hadaptive:/shared\\)"):
        executor.__post_init__()


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="unshare as root makes process 1 of a pod")
def test_a_pod_told_to_go_saves_and_the_next_goes_on(shared: Project, tmp_path: Path) -> None:
    """The posted commands run here, each as process 1 of its own process namespace; the first gets SIGTERM."""
    log = shared.folder / f"logs/{RUN}.log"
    pods: list[subprocess.Popen[bytes]] = []

    def pod(job: Json) -> Callable[[], int | None]:
        words = ["unshare", "--pid", "--fork", "--mount-proc", *container(job)["command"], *container(job)["args"]]
        with (tmp_path / f"pod{len(pods)}").open("w") as printed:
            process = subprocess.Popen(
                words,
                cwd="/",
                stdout=printed,
                stderr=subprocess.STDOUT,
                env={"PATH": os.environ["PATH"], "HADAPTIVE_GPUS": ""},
            )
        pods.append(process)

        def ended() -> int | None:
            trained = log.exists() and "epoch 2/" in log.read_text()
            if rule(job) == "train" and trained and len(pods) == 2 and process.poll() is None:
                (first,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
                os.kill(int(first), signal.SIGTERM)
                process.wait(60)
            return process.poll()

        return ended

    shared.environment["HADAPTIVE_GPUS"] = ""
    config = SMALL.replace("epochs: 2", "epochs: 40").replace("seeds: [0, 1]", "seeds: [0]")
    cluster = Cluster(pod)
    with serving(cluster, tmp_path / "kubeconfig"):
        shared.run(command(shared, config))
    assert [rule(job) for job in cluster.jobs.values()] == ["data", "train", "train"]
    assert [process.returncode for process in pods] == [0, 143, 0]
    record = json.loads((shared.folder / RECORD).read_text())
    assert record["status"] == "done" and len(record["curve"]) == 40
    assert "resumed after epoch" in log.read_text()

    for folder in ("results", "work"):
        shutil.rmtree(shared.folder / folder)
    shared.snakemake(RECORD, config)  # here, undisturbed
    undisturbed = json.loads((shared.folder / RECORD).read_text())
    assert "resumed" not in log.read_text() and record["checkpoints"] == undisturbed["checkpoints"]
