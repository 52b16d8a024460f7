import base64

from tests.collect.conftest import Collected


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
