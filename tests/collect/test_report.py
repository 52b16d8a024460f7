import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from tests.collect.conftest import Collected, run


def test_page_shows_counts_classes_and_training_images_alone(digits: Collected) -> None:
    page = (digits.out / "artifacts" / "data_report.html").read_text()
    assert "1,180" in page
    assert "8×8 (1,797)" in page
    assert page.count("<img src=") == 24
    train = {
        base64.b64encode(row["image"]).decode() for row in digits.development.to_pylist() if row["__split__"] == "train"
    }
    shown = {part.split('"')[0] for part in page.split("base64,")[1:]}
    assert shown <= train


def test_balance_adds_up_to_the_counts(digits: Collected) -> None:
    for split, count in digits.manifest.counts.items():
        assert sum(row[split] for row in digits.report["balance"]) == count


def test_large_images_are_shown_small(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / "imgs" / label).mkdir(parents=True)
        for i in range(10):
            pixels = np.random.default_rng(i + 100 * (label == "b")).integers(0, 256, (400, 600, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "imgs" / label / f"{i}.png")
    collected = run(tmp_path / "out", type="folder", path=str(tmp_path / "imgs"), split={"by": "stratified"})
    page = (collected.out / "artifacts" / "data_report.html").read_text()
    for part in page.split("base64,")[1:]:
        shown = Image.open(io.BytesIO(base64.b64decode(part.split('"')[0])))
        assert shown.size == (160, 107)


def test_texts_of_the_data_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(
        "".join(f'{{"text": "<script>{i}</script>", "label": "<b>{i % 2}</b>"}}\n' for i in range(60))
    )
    collected = run(tmp_path / "out", type="text", path=str(tmp_path / "t.jsonl"))
    page = (collected.out / "artifacts" / "data_report.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
