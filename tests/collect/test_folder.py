import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UserError
from tests.collect.conftest import run

STRATIFIED = {"by": "stratified", "validation": 0.2, "test": 0.2}


def picture(seed: int, *, colour: bool = False, size: tuple[int, int] = (24, 32)) -> Image.Image:
    """Smooth random blobs: unlike each other for a perceptual hash."""
    shape = (6, 8, 3) if colour else (6, 8)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8)).resize(size[::-1])


@pytest.fixture
def images(tmp_path: Path) -> Path:
    root = tmp_path / "imgs"
    for label, name in enumerate(("cat", "dog")):
        (root / name / "deep").mkdir(parents=True)
        for i in range(10):
            seed = 100 * label + i
            picture(seed, colour=bool(i % 2), size=(24 + i, 32)).save(root / name / f"{i}.png")
            picture(seed + 50, colour=True).save(root / name / "deep" / f"{i}.JPG", quality=90)
    return root


def test_class_folders_become_labelled_images_as_they_lie_on_disk(images: Path, tmp_path: Path) -> None:
    (images / "cat" / ".DS_Store").write_text("hidden files are nobody's images")
    collected = run(tmp_path / "out", type="folder", path=str(images), split=STRATIFIED)
    rows = collected.development.to_pylist() + collected.test.to_pylist()
    expected = {
        file.read_bytes(): label
        for label, name in enumerate(("cat", "dog"))
        for file in (images / name).rglob("*")
        if file.suffix in (".png", ".JPG")
    }
    assert collected.manifest.classes == ("cat", "dog")
    assert collected.manifest.counts == {"train": 24, "validation": 8, "test": 8}
    assert {row["image"]: row["__label__"] for row in rows} == expected
    assert collected.report["contents"]["grey"] == 10
    assert collected.report["contents"]["colour"] == 30
    assert collected.report["contents"]["sizes"]["24×32"] == 22


def test_splits_of_the_folder_are_kept_and_validation_is_carved_from_train(tmp_path: Path) -> None:
    root, seed = tmp_path / "imgs", 0
    for split, count in (("train", 30), ("test", 5)):
        for name in ("a", "b"):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                picture(seed := seed + 1).save(root / split / name / f"{i}.png")
    collected = run(tmp_path / "out", type="folder", path=str(root), split={"by": "source"})
    counts = collected.manifest.counts
    assert counts["test"] == 10
    assert counts["train"] + counts["validation"] == 60
    assert 2 <= counts["validation"] <= 18
    tests = {file.read_bytes() for file in (root / "test").rglob("*.png")}
    assert set(collected.test.column("image").to_pylist()) == tests


def damage(images: Path) -> None:
    whole = (images / "dog" / "deep" / "3.JPG").read_bytes()
    (images / "dog" / "deep" / "3.JPG").write_bytes(whole[: len(whole) // 2])
    (images / "cat" / "4.png").write_bytes(b"no image")
    (images / "cat" / "notes.txt").write_text("stray")


def test_damaged_and_stray_files_are_all_named(images: Path, tmp_path: Path) -> None:
    damage(images)
    with pytest.raises(UserError) as caught:
        run(tmp_path / "out", type="folder", path=str(images), split=STRATIFIED)
    message = str(caught.value)
    assert "3 files or rows cannot be read" in message
    assert "dog/deep/3.JPG: the image is damaged" in message
    assert "cat/4.png: expected a png or jpeg image. Received: 8 bytes that begin with b'no image'" in message
    assert "cat/notes.txt: expected a .png, .jpg or .jpeg file" in message
    assert "data.checks.corrupt: skip" in message


def test_damaged_files_are_skipped_and_counted_if_the_recipe_says_so(images: Path, tmp_path: Path) -> None:
    damage(images)
    collected = run(tmp_path / "out", type="folder", path=str(images), split=STRATIFIED, checks={"corrupt": "skip"})
    assert sum(collected.manifest.counts.values()) == 38
    assert len(collected.report["corrupt"]) == 3
    assert [line for line in collected.lines if line.startswith("skipped dog/deep/3.JPG")]


def test_image_that_was_saved_again_is_a_near_duplicate_across_splits(tmp_path: Path) -> None:
    root = tmp_path / "imgs"
    for split, count in (("train", 12), ("validation", 4), ("test", 4)):
        for name in ("a", "b"):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                picture(seed_of(split, name, i), colour=True).save(root / split / name / f"{i}.png")
    original = Image.open(root / "train" / "a" / "7.png")
    original.resize((64, 48)).save(root / "test" / "a" / "again.jpg", quality=92)
    keys: dict[str, Any] = {"type": "folder", "path": str(root), "split": {"by": "source"}}
    (finding,) = run(tmp_path / "out", **keys).report["findings"]
    assert (finding["check"], finding["count"]) == ("near_duplicates", 1)
    assert "train/a/7.png in train" in finding["text"]
    assert "test/a/again.jpg in test" in finding["text"]
    assert run(tmp_path / "quiet", **keys, checks={"near_duplicates": "ignore"}).report["findings"] == []
    with pytest.raises(UserError, match="near_duplicates: 1 pairs"):
        run(tmp_path / "strict", **keys, checks={"near_duplicates": "error"})


def seed_of(split: str, name: str, i: int) -> int:
    return {"train": 0, "validation": 100, "test": 200}[split] + 50 * (name in ("b", "dog")) + i


def test_copy_of_an_image_in_another_split_is_leakage(images: Path, tmp_path: Path) -> None:
    root = tmp_path / "by_source"
    for split in ("train", "validation", "test"):
        for name in ("cat", "dog"):
            (root / split / name).mkdir(parents=True)
            for i in range(3):
                picture(seed_of(split, name, i)).save(root / split / name / f"{i}.png")
    (root / "test" / "dog" / "copy.png").write_bytes((root / "train" / "cat" / "0.png").read_bytes())
    collected = run(tmp_path / "out", type="folder", path=str(root), split={"by": "source"})
    found = {finding["check"]: finding["text"] for finding in collected.report["findings"]}
    assert found.keys() == {"leakage", "conflicting_labels"}
    assert "train/cat/0.png" in found["leakage"]
    assert "test/dog/copy.png" in found["leakage"]
    assert any(line.startswith("warning: leakage: 1 contents") for line in collected.lines)


def test_folder_without_class_folders_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    picture(1).save(tmp_path / "flat" / "1.png")
    with pytest.raises(UserError, match=r"expected a folder for each class .* Received: no folders and 1 images"):
        run(tmp_path / "out", type="folder", path=str(tmp_path / "flat"))


def test_folders_of_splits_are_not_taken_for_classes(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / "imgs" / split).mkdir(parents=True)
    with pytest.raises(UserError, match=r"holds splits \(test, train\), not classes\. Set `data\.split\.by: source`"):
        run(tmp_path / "out", type="folder", path=str(tmp_path / "imgs"))


def test_webp_in_disguise_is_refused(images: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    picture(7).save(buffer, format="WEBP")
    (images / "cat" / "0.png").write_bytes(buffer.getvalue())
    with pytest.raises(UserError, match=r"cat/0\.png: expected a png or jpeg image\. Received: WEBP data"):
        run(tmp_path / "out", type="folder", path=str(images), split=STRATIFIED)


def test_missing_folder_says_where_the_path_goes_wrong(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no folder .*nowhere/imgs \(the path goes wrong after"):
        run(tmp_path / "out", type="folder", path=str(tmp_path / "nowhere" / "imgs"))
