"""Images by setting: what is taken, in which order, under which name, and what is said of bad ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from hadaptive import config
from hadaptive.errors import UserError
from hadaptive.explain.image import open_image
from hadaptive.explain.settings import CREDITS, ExplainSettings, named_photos
from hadaptive.paper.spec import records_needed
from hadaptive.study import Study
from hadaptive.study.measures import inputs

ROOT = Path(__file__).resolve().parents[2]
VALUES = yaml.safe_load((ROOT / "params.yaml").read_text())


def photo(path: Path, size: tuple[int, int] = (6, 4)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (200, 30, 10)).save(path)
    return path


def study(images: Any, **changes: Any) -> Study:
    return Study(config.check({**VALUES, "explain": {"images": images}, **changes}))


@pytest.mark.parametrize("source", CREDITS)
def test_the_default_photos_are_inside_a_dependency(source: str) -> None:
    assert open_image(source).shape == (427, 640, 3)
    assert set(CREDITS) == {each["file"] for each in VALUES["explain"]["images"]}


def test_a_folder_a_file_and_a_list(tmp_path: Path) -> None:
    b, a = photo(tmp_path / "photos/b c.JPG"), photo(tmp_path / "photos/a.png")
    (tmp_path / "photos/notes.txt").write_text("not an image")
    (tmp_path / "photos/.hidden.png").write_bytes(a.read_bytes())
    for images in (str(tmp_path / "photos"), [str(a), {"file": str(b)}]):
        found = named_photos(ExplainSettings.model_validate({"images": images}))
        assert {name: each.file for name, each in found.items()} == {"a": str(a), "b_c": str(b)}
    one = study(str(a))
    assert [measure.id for measure in one.measures_of("explain")] == ["explain/a"]
    assert inputs(one.measures["explain/a"])[:2] == [str(a), "data/prepared/digits/manifest.json"]
    assert records_needed(one.figures["figure9"]) == []
    assert "names one image" in one.figures["figure9"].about


def test_a_box_is_for_its_photo_alone(tmp_path: Path) -> None:
    given = study([{"file": str(photo(tmp_path / "a.png")), "subject": [0, 0, 0.5, 1]}, str(photo(tmp_path / "b.png"))])
    found = {measure.id: measure.settings["subject"] for measure in given.measures_of("explain")}
    assert found == {"explain/a": (0, 0, 0.5, 1), "explain/b": None}


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ("gone.jpg", "explain.images: no image file gone.jpg"),
        ([], "explain.images: list should have at least 1 item"),
        (3, "explain.images: input should be a valid list, not 3"),
        ("empty", "the folder empty holds no image"),
        (["a.png", "empty"], "the folder empty holds no image"),
        (["a.png", "other/a.jpg"], "a.png and other/a.jpg would both be called a; rename one of them"),
        ("scikit-learn:flour.jpg", "Did you mean 'scikit-learn:flower.jpg'"),
        ([{"file": "a.png", "subject": [0.5, 0, 0.4, 1]}], "left < right"),
        ([{"file": "a.png", "subject": [0, 0, 2, 1]}], "less than or equal to 1"),
        ([{"file": "a.png", "subjet": [0, 0, 1, 1]}], "Did you mean 'subject'?"),
    ],
)
def test_a_bad_setting_is_one_error_before_anything_runs(
    images: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    photo(Path("a.png"))
    photo(Path("other/a.jpg"))
    Path("empty").mkdir()
    Path("params.yaml").write_text(yaml.safe_dump({**VALUES, "explain": {"images": images}}))
    with pytest.raises(UserError) as caught:
        config.load()
    assert said in str(caught.value) and str(caught.value).startswith("params.yaml:")
    assert "\n" not in str(caught.value)


def test_pixels_stand_as_the_camera_says_in_three_channels(tmp_path: Path) -> None:
    image = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    image.save(tmp_path / "grey.png", exif=exif)
    assert open_image(str(tmp_path / "grey.png")).shape == (4, 3, 3)


@pytest.mark.parametrize("how", ["text", "cut", "empty", "gone"])
def test_what_is_no_image_is_one_error_that_names_the_file(how: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    whole = path.read_bytes()
    path.write_bytes({"text": b"hello", "cut": whole[: len(whole) // 2], "empty": b"", "gone": whole}[how])
    if how == "gone":
        path.unlink()
    with pytest.raises(UserError, match=r"photo\.jpg.*name another in explain\.images") as caught:
        open_image(str(path))
    assert "\n" not in str(caught.value)
