"""The container files: they install one environment, copy what is there, run as no root; built where a tool is."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).resolve().parent.parent
APPTAINER = (ROOT / "apptainer.def").read_text()
DOCS = (ROOT / "docs/ecosystem.md").read_text()
INSTALLED = r"apt-get install -y --no-install-recommends ([^&\n]+?)\s*(?:\\?\n|&)"
SYNCED = r"(--no-dev(?: --extra \w+)+)"
SOME_USER = "12345:12345"  # no such user is in the image


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile with their arguments, continued lines joined."""
    parsed = DockerfileParser(path=str(ROOT))
    return [(step["instruction"], step["value"]) for step in parsed.structure if step["instruction"] != "COMMENT"]


def last(steps: list[tuple[str, str]], instruction: str) -> str:
    return [value for name, value in steps if name == instruction][-1]


def test_what_is_copied_is_there(steps: list[tuple[str, str]]) -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    sources = [word for name, value in steps if name == "COPY" for word in value.split()[:-1]]
    sources += re.search(r"%files\n((?:    .*\n)+)", APPTAINER)[1].split()[::2]  # type: ignore[index]
    assert {"pyproject.toml", "README.md", "."} == set(sources)
    assert all((ROOT / source).exists() and source not in ignored for source in sources)


def test_it_runs_as_any_user_but_root(steps: list[tuple[str, str]]) -> None:
    assert last(steps, "USER") not in ("0", "root")
    environment = " ".join(value for name, value in steps if name == "ENV")
    for cache in ("HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR"):
        assert re.search(rf"\b{cache}=/tmp\b", environment), f"{cache} is where any user id can write"


def test_both_install_the_environment_of_the_continuous_integration(steps: list[tuple[str, str]]) -> None:
    docker = "\n".join(value for name, value in steps if name == "RUN")
    for expression in (INSTALLED, SYNCED, r"(uv==[\d.]+)"):
        in_docker, in_apptainer = set(re.findall(expression, docker)), set(re.findall(expression, APPTAINER))
        assert len(in_docker) == 1 and in_docker == in_apptainer, expression
    assert re.findall(r"uv==[\d.]+", (ROOT / ".ci/run").read_text()) == re.findall(r"uv==[\d.]+", docker)
    (base,) = [value.removeprefix("BASE=") for name, value in steps if name == "ARG" and value.startswith("BASE=")]
    assert f"\nFrom: {base}\n" in APPTAINER


def test_the_documented_commands_are_of_these_files(steps: list[tuple[str, str]]) -> None:
    assert (
        json.loads(last(steps, "CMD"))[0] == "snakemake"
        and json.loads(last(steps, "CMD"))[-1] in (ROOT / "README.md").read_text()
    )
    arguments = {value.partition("=")[0] for name, value in steps if name == "ARG"}
    assert set(re.findall(r"--build-arg (\w+)=", DOCS)) <= arguments
    folder = last(steps, "WORKDIR")
    mounted = re.findall(r"-v \$PWD/\w+:(\S+)", DOCS)
    assert mounted and all(target.startswith(f"{folder}/") for target in mounted)
    rules = (ROOT / "workflow/rules/common.smk").read_text()
    (image,) = re.findall(r'^container: "(\S+)"', rules, re.M)
    assert f"apptainer build {image} apptainer.def" in DOCS and f"apptainer build {image} apptainer.def" in APPTAINER


@pytest.mark.slow
def test_the_image_is_built_and_runs_as_any_user_on_a_read_only_root(request: pytest.FixtureRequest) -> None:
    """Needs docker or podman and its base image; HADAPTIVE_CONTAINER_TOOL and HADAPTIVE_CONTAINER_BASE name others."""
    tool = os.environ.get("HADAPTIVE_CONTAINER_TOOL") or next(filter(shutil.which, ("docker", "podman")), None)
    if tool is None:
        pytest.skip("neither docker nor podman is here")
    base = os.environ.get("HADAPTIVE_CONTAINER_BASE", "docker.io/library/debian:bookworm-slim")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [*shlex.split(tool), *words]
        return subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    if run("image", "inspect", base).returncode and (pulled := run("pull", base)).returncode:
        pytest.skip(f"{tool} cannot have {base}: {pulled.stdout.strip()[-200:]}")
    request.addfinalizer(lambda: run("rmi", "-f", "hadaptive-test"))  # gigabytes
    built = run("build", "--build-arg", f"BASE={base}", "--build-arg", "COMMIT=abc", "-t", "hadaptive-test", ".")
    assert built.returncode == 0, built.stdout[-3000:]
    anyone = ("run", "--rm", "-u", SOME_USER)
    planned = run(*anyone, "hadaptive-test", "snakemake", "-n", "paper_tables/table7.tex")
    assert planned.returncode == 0 and "This was a dry-run" in planned.stdout, planned.stdout[-3000:]
    one = run(
        *anyone, "--read-only", "--tmpfs", "/tmp", "hadaptive-test", "hadaptive", "data", "digits", "--out", "/tmp/d"
    )
    assert one.returncode == 0 and "digits: {'train': 1437, 'test': 360}" in one.stdout, one.stdout[-3000:]
