import io

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from tests.collect.conftest import Collected


def test_every_digit_is_there_once_with_its_label_and_its_pixels(digits: Collected) -> None:
    rows = digits.development.to_pylist() + digits.test.to_pylist()
    found = {np.asarray(Image.open(io.BytesIO(row["image"]))).tobytes(): row["__label__"] for row in rows}
    bundled = load_digits()
    expected = {
        np.rint(image * 255 / 16).astype(np.uint8).tobytes(): label
        for image, label in zip(bundled.images, bundled.target, strict=True)
    }
    assert len(rows) == 1797
    assert found == expected


def test_manifest_says_what_was_collected(digits: Collected) -> None:
    manifest = digits.manifest
    assert (manifest.kind, manifest.task) == ("image", "multiclass")
    assert manifest.classes == tuple("0123456789")
    assert manifest.counts == {"train": 1180, "validation": 272, "test": 345}
    assert digits.result.fingerprint == manifest.fingerprint


def test_only_what_the_architecture_names_is_left(digits: Collected) -> None:
    written = {path.relative_to(digits.out).as_posix() for path in digits.out.rglob("*") if path.is_file()}
    assert written == {
        "development/examples.arrow",
        "sealed/test.arrow",
        "development/manifest.json",
        "journal.jsonl",
        "artifacts/data_report.json",
        "artifacts/data_report.html",
    }
    assert digits.development.schema.names == ["image", "__id__", "__label__", "__split__"]
    assert digits.test.schema.names == ["image", "__id__", "__label__"]


def test_no_example_is_both_sealed_and_developed_on(digits: Collected) -> None:
    sealed = set(digits.test.column("__id__").to_pylist())
    assert len(sealed) == 345
    assert not sealed & set(digits.development.column("__id__").to_pylist())


def test_digits_that_look_alike_are_no_near_duplicates(digits: Collected) -> None:
    assert digits.report["findings"] == []
