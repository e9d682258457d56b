"""Snakemake's Kubernetes executor, for a folder that all pods mount at the path it has where jobs are submitted.

The published plugin assumes no shared file system: a storage plugin copies what a rule declares into the pod and out
of it. Here a rule declares one file of many (a manifest stands for its data set) and an interrupted training goes on
from files that no rule names, so jobs work in the folder itself, as Slurm's do.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import snakemake_executor_plugin_kubernetes as published
from snakemake_interface_common.exceptions import WorkflowError

if TYPE_CHECKING:
    from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

ExecutorSettings = published.ExecutorSettings
common_settings = replace(
    published.common_settings,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    auto_deploy_default_storage_provider=False,
)
# Kubernetes tells a pod to go by SIGTERM to process 1 alone, which is this shell: it tells all others and waits until
# they have saved and ended; after the pod's grace period (30 s) they are killed.
IN_THE_POD = (
    "cd {folder} && export HADAPTIVE_GPUS={gpus} && {{ "
    "trap 'kill -s TERM -- -1; while kill -s 0 -- -1; do sleep 0.2; done 2>/dev/null; exit 143' TERM; "
    "( {command} ) & wait $!; }}"
)


class Executor(published.Executor):
    """Jobs of Kubernetes in the shared folder. WorkflowError where the folder is on none of the mounted volumes."""

    def __post_init__(self) -> None:
        self.folder = Path.cwd()
        volumes = self.workflow.executor_settings.persistent_volumes
        if not any(self.folder.is_relative_to(volume.path) for volume in volumes):
            raise WorkflowError(
                f"{self.folder} is on no volume that the pods mount "
                f"({', '.join(volume.unparse() for volume in volumes) or 'none'}): start in the shared folder, or set "
                "kubernetes-shared-persistent-volumes in profiles/kubernetes/config.yaml"
            )
        super().__post_init__()
        read_log = self.kubeapi.read_namespaced_pod_log

        # it asks for the log of the container before; a pod that never restarts has none, and the error ends everything
        def log(**words: Any) -> Any:
            return read_log(**{**words, "previous": False})

        self.kubeapi.read_namespaced_pod_log = log

    def format_job_exec(self, job: JobExecutorInterface) -> str:
        """The job's command, as the pod's shell runs it: with the GPUs it asked for, whatever the pod finds."""
        gpus = ",".join(map(str, range(job.resources.get("gpu", 0))))
        folder, command = str(self.folder), super().format_job_exec(job)
        return IN_THE_POD.format(folder=shlex.quote(folder), gpus=shlex.quote(gpus), command=command)
