"""What is packed, in which order, and that data and wheels come out as they went in."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from hadaptive import config
from hadaptive.data.errors import DataError
from hadaptive.data.prepared import write_arrays, write_location
from hadaptive.errors import UserError
from hadaptive.offline import images, run, wheels
from hadaptive.offline.jobs import jobs
from hadaptive.offline.pack import Settings, pack, state_of
from hadaptive.record import envelope, write
from hadaptive.records import sha256
from hadaptive.study import Study
from hadaptive.study.settling import code_of
from tests.offline.conftest import drawn

ROOT = Path(__file__).resolve().parents[2]
VALUES = yaml.safe_load((ROOT / "params.yaml").read_text())


def study(**changes: Any) -> Study:
    return Study(config.check({**VALUES, "reference": "never", **changes}))


def test_what_settles_most_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scales = json.loads(json.dumps(VALUES["scales"]))
    scales["gpu"]["seeds"] = [0, 1]
    found = jobs(study(scale="gpu", scales=scales), minutes=10)
    names = [job.name for job in found]
    assert names[:3] == ["tests of tests/kernels", "measure kernels/table4", "measure kernels/figure7"]
    assert [job.limit_s for job in found[:2]] == [90, 180]
    trainings = [name for name in names if name.startswith("train ")]
    assert trainings[:2] == [
        "train cifar100/hadaptive_net_s/dysoft/seed0",
        "train cifar100/hadaptive_net_s/batchnorm/seed0",
    ], "claims 1, 5, 8 and 13 wait for these two"
    after = names.index(trainings[0])
    assert [name for name in names[3:after] if name.startswith("latency")] == [
        "latency latency/mobilenetv3_small_100/base",
        "latency latency/hadaptive_net_s/dysoft",
    ]
    assert names.index("latency latency/starnet_s4/base") > names.index(trainings[-1])
    seeds = [name.rpartition("/")[2] for name in trainings if "/hadaptive_net_s/" in name or "/starnet" in name]
    assert seeds == sorted(seeds), "every training once before the second seed of any"
    assert len(set(names)) == len(names)
    (keeps,) = (job.keeps for job in found if job.name == trainings[0])
    assert keeps == ("results/gpu/cifar100/hadaptive_net_s/dysoft/seed0/last.pt",), "A.2 measures its weights"


def test_what_is_on_record_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = study(models=["starnet_s1"])
    training, table4 = given.runs["cifar100/starnet_s1/base/seed0"], given.measures["kernels/table4"]
    before = [job.name for job in jobs(given, 10)]
    write(training.folder / "record.json", envelope(training, {}))
    write(table4.folder / "record.json", envelope(table4, {}, status="no CUDA device"))
    after = [job.name for job in jobs(given, 10)]
    assert [name for name in before if name not in after] == [f"train {training.id}"]
    assert "measure kernels/table4" in after, "a machine without a GPU measured nothing"


@pytest.fixture(params=[(3, 32, 32), (3, 24, 40), (1, 8, 8)])
def prepared(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A prepared data set of noise, on more than one sheet."""
    monkeypatch.setattr(images, "SIDE", 128)
    folder = tmp_path / "prepared"
    write_arrays("noise", folder, drawn(request.param))
    return folder


def test_data_come_out_as_they_went_in(prepared: Path, tmp_path: Path) -> None:
    parts = images.encode(prepared, tmp_path / "encoded")
    assert all(path.is_file() for path in parts)
    images.decode(tmp_path / "encoded", tmp_path / "again")
    names = sorted(path.name for path in prepared.iterdir())
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == names
    assert all((tmp_path / "again" / name).read_bytes() == (prepared / name).read_bytes() for name in names)


def test_data_that_were_changed_on_the_way_are_refused(prepared: Path, tmp_path: Path) -> None:
    images.encode(prepared, tmp_path / "encoded")
    index = tmp_path / "encoded" / images.INDEX
    index.write_text(index.read_text().replace("test_labels.npy.000", "train_labels.npy.000"))
    with pytest.raises(DataError, match=r"test_labels\.npy"):
        images.decode(tmp_path / "encoded", tmp_path / "again")


def test_images_outside_of_the_prepared_folder_are_not_packed(prepared: Path, tmp_path: Path) -> None:
    write_location(prepared, tmp_path / "photos")
    with pytest.raises(UserError, match="are not packed"):
        images.encode(prepared, tmp_path / "encoded")


def there(tmp_path: Path, text: str) -> dict[str, str]:
    (tmp_path / "have").write_text(text)
    return wheels.installed_there(tmp_path / "have", "2.15.0")


def test_only_what_is_lacking_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    pins = wheels.pinned("3.12")
    everything = json.dumps([{"name": name, "version": version} for name, version in pins.items()])
    assert wheels.lacking(there(tmp_path, everything), wheels.ROOTS, "3.12") == {}
    frozen = "".join(f"{name}=={version}\n" for name, version in pins.items() if name not in ("timm", "pydantic"))
    old = there(tmp_path, frozen.replace(f"pydantic-core=={pins['pydantic-core']}", "Pydantic_Core==2.0"))
    assert wheels.lacking(old, wheels.ROOTS, "3.12") == {
        name: pins[name] for name in ("timm", "pydantic", "pydantic-core")
    }
    bare = wheels.lacking(wheels.installed_there(None, pins["torch"]), wheels.ROOTS, "3.12")
    assert bare.items() <= pins.items() and {"numpy", "pydantic-core", "torchvision"} <= bare.keys()
    assert not {"torch", "triton", "sympy"} & bare.keys(), "what torch requires is there"


def test_torchvision_is_the_one_for_the_torch_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert wheels.lacking(there(tmp_path, "torch==2.11.0+cu128\n"), ["torchvision"], "3.12")["torchvision"] == "0.26.*"


def test_a_list_of_packages_that_is_none_is_named(tmp_path: Path) -> None:
    for text, message in (("[1]", "is no list of packages"), ("numpy==2.0\n", "does not name torch")):
        with pytest.raises(UserError, match=message):
            there(tmp_path, text)
    with pytest.raises(UserError, match="is no list of packages"):
        wheels.installed_there(tmp_path / "missing", "2.15.0")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks: a folder with one wheel."""
    folder = tmp_path / "store"
    folder.mkdir()
    with zipfile.ZipFile(folder / "thing-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("thing.py", "VALUE = 1\n")
        wheel.writestr("thing-1.0.data/purelib/more.py", "VALUE = 2\n")
        wheel.writestr("thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
        wheel.writestr("thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("thing-1.0.dist-info/RECORD", "")
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    return folder


def test_wheels_are_fetched_by_pip_and_work_without_it(store: Path, tmp_path: Path) -> None:
    (path,) = wheels.download({"thing": "1.0"}, "3.12", tmp_path / "wheels")
    run.install(path, tmp_path / "site")
    program = (
        "import thing, more; from importlib.metadata import version; print(thing.VALUE, more.VALUE, version('thing'))"
    )
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, env={"PYTHONPATH": str(tmp_path / "site")}, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "2", "1.0"]


def test_a_wheel_that_cannot_be_had_is_named(store: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"other==1\.0.*--no-wheels"):
        wheels.download({"other": "1.0"}, "3.12", tmp_path / "wheels")


def test_saved_states_and_records_of_searches_travel_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = study()
    run = given.runs["cifar100/hadaptive_net_found/table3/seed0"]
    write_arrays("digits", tmp_path / "data/prepared/digits", drawn())
    state, search = state_of(run, code_of(run)), Path("results/demo/search/table3/seed0/record.json")
    for path in (state, search):
        path.parent.mkdir(parents=True)
        path.write_text("here")
    pack(given, tmp_path / "away", Settings(10, 1, "3.11", with_wheels=False, only=(f"train {run.id}",)))
    with tarfile.open(tmp_path / "away/part-1.tar") as tar:
        assert {f"project/{path}" for path in (state, search)} < set(tar.getnames())
    carried = json.loads((tmp_path / "away/pack.json").read_text())["carried"]
    assert carried == {path.as_posix(): sha256(path) for path in (search, state)}


def test_no_archive_is_larger_than_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    given, settings = study(), Settings(10, 0.5, "3.11", with_wheels=False, only=("tests *", "measure *"))
    packed = pack(given, tmp_path / "away", settings)
    sizes = [path.stat().st_size for path in packed.archives]
    assert len(sizes) > 1 and max(sizes) <= 2**19
    names = []
    for path in packed.archives:
        with tarfile.open(path) as tar:
            names += tar.getnames()
    listed = json.loads((tmp_path / "away/pack.json").read_text())
    assert sorted(names) == sorted(listed["files"]) and len(set(names)) == len(names)
    assert {"project/params.yaml", "project/kernels/ops.py", "project/tests/kernels/conftest.py"} < set(names)
    for out, most, message in (("away", 1, "not an empty folder"), ("small", 0.03, "raise --max-mib")):
        with pytest.raises(UserError, match=message):
            pack(given, tmp_path / out, Settings(10, most, "3.11", with_wheels=False, only=("measure *",)))
    with pytest.raises(UserError, match="nothing to pack"):
        pack(given, tmp_path / "none", Settings(10, 1, "3.11", with_wheels=False, only=("nothing",)))
