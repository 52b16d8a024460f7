"""The diagnosis in the train stage: its line, tags and page; when it stops a training, and when it is not made."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.diagnosis.record import report_from_tree
from pipeline.journal import read_journal
from pipeline.training import preflight
from tests.small_runs import Stages, model, train_section, train_small
from tuning.trial import sickness

ZEROS = {"type": "mlp", "units": [16], "kernel_initializer": "zeros"}


def records(folder: Path, kind: str) -> list[dict[str, object]]:
    return [record for record in read_journal(folder / "journal.jsonl") if record["kind"] == kind]


def texts(folder: Path) -> list[str]:
    return [str(record["text"]) for record in records(folder, "say")]


def tags(folder: Path) -> dict[str, str]:
    return {name: value for record in records(folder, "tags") for name, value in record["values"].items()}


def test_a_sick_training_is_told_tagged_and_shown(digits: Stages, tmp_path: Path) -> None:
    train_small(digits.prepared, tmp_path / "run", model(**ZEROS), train_section(epochs=5))
    said = [record["text"] for record in records(tmp_path / "run", "say") if record["text"].startswith("diagnosis")]
    assert said[0].startswith("diagnosis, epoch 1: poor_initialization in ")
    assert "Try model.kernel_initializer=auto" in said[0]
    before = [record["text"] for record in records(tmp_path / "run", "say") if record["text"].startswith("check")]
    assert before[0].startswith("check: poor_initialization in ")
    assert tags(tmp_path / "run")["diagnosis.status"] == "sick"
    assert "poor_initialization" in tags(tmp_path / "run")["diagnosis.symptoms"]
    tree = json.loads((tmp_path / "run/artifacts/diagnosis.json").read_text())
    assert (tree["status"], tree["epochs"]) == ("sick", [0, 1, 2, 4, 5])
    assert np.shape(tree["columns"]["gradient"]) == (5, len(tree["layers"]))
    page = (tmp_path / "run/artifacts/diagnosis.html").read_text()
    assert "<h1>Sick</h1>" in page
    assert "<h2>Before the first step</h2>" in page
    shown = [record["path"] for record in records(tmp_path / "run", "artifact")]
    assert {"artifacts/diagnosis.html", "artifacts/diagnosis.json", "artifacts/preflight.json"} <= set(shown)


def test_what_all_checks_saw_before_the_first_step_is_kept(digits: Stages, tmp_path: Path) -> None:
    for name, rate, found in (("sound", 0.01, "none"), ("high", 1.0, "learning_rate")):
        section = train_section(epochs=5, optimizer={"type": "adam", "learning_rate": rate})
        train_small(digits.prepared, tmp_path / name, model(type="mlp", units=[8]), section)
        assert tags(tmp_path / name)["diagnosis.before"] == found
    report = report_from_tree(json.loads((tmp_path / "high/artifacts/preflight.json").read_text()))
    (finding,) = (each for each in report.findings if each.rank)
    assert finding.evidence["learning rate"] == 1
    assert str(finding.remedies[0]) == "train.optimizer.learning_rate=0.001"
    assert "learning rate" in [each.title for each in report.checked if each.verdict == "warning"]
    page = (tmp_path / "high/artifacts/diagnosis.html").read_text()
    assert "A learning rate of 1 is too high for Adam" in page.split("<h2>Before the first step</h2>")[1]


def test_a_rare_class_is_told_before_the_first_step_unless_it_is_weighted(digits: Stages, tmp_path: Path) -> None:
    prepared = shutil.copytree(digits.prepared, tmp_path / "prepared")
    labels = np.load(prepared / "train/label.npy")
    np.save(prepared / "train/label.npy", (np.arange(len(labels)) < 2).astype(labels.dtype))
    said = []
    for name, weights in (("plain", None), ("weighted", {str(digit): 1.0 for digit in range(10)})):
        section = train_section(epochs=1, class_weights=weights)
        train_small(prepared, tmp_path / name, model(type="mlp", units=[8]), section)
        said.append(
            [record["text"] for record in records(tmp_path / name, "say") if "class_imbalance" in record["text"]]
        )
    assert len(said[0]) == 1
    assert "The largest class has 149 times the examples of the smallest" in said[0][0]
    assert said[1] == []


def test_a_long_training_first_learns_a_batch_by_heart_which_changes_nothing_of_it(
    digits: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, trails, said = model(type="mlp", units=[16], batch_norm=True, dropout=0.5), [], []
    for num_steps in (20_000, 1):
        monkeypatch.setattr(preflight, "LONG", num_steps)
        folder = tmp_path / str(num_steps)
        train_small(digits.prepared, folder, network, train_section(epochs=5))
        trails.append((folder / "trail.json").read_text())
        said.append([text for text in texts(folder) if text.startswith("check: ")])
    assert trails[0] == trails[1]
    assert said[1] == ["check: learns a batch by heart, saves and loads the network", *said[0]]


def test_a_long_training_that_cannot_learn_a_batch_is_told_so(
    digits: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "LONG", 1)
    train_small(digits.prepared, tmp_path / "run", model(**ZEROS), train_section(epochs=5, sam={"rho": 0.05}))
    assert any(text.startswith("check: cannot_overfit") for text in texts(tmp_path / "run"))


def test_a_check_that_fails_does_not_end_the_training(
    digits: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("no room for another optimiser")

    monkeypatch.setattr(preflight, "LONG", 1)
    monkeypatch.setattr(preflight, "tried", fail)
    train_small(digits.prepared, tmp_path / "run", model(type="mlp", units=[8]), train_section(epochs=5))
    assert "check: that was not possible: MemoryError: no room for another optimiser" in texts(tmp_path / "run")
    assert (tmp_path / "run/network.keras").exists()


def test_stop_ends_a_sick_training_early(digits: Stages, tmp_path: Path) -> None:
    train_small(digits.prepared, tmp_path / "run", model(**ZEROS), train_section(epochs=5, on_sick="stop"))
    assert len(json.loads((tmp_path / "run/history.json").read_text())["epochs"]) == 1
    assert sickness(tmp_path / "run").startswith("poor_initialization, epoch 1: ")


def test_what_early_stopping_ended_was_not_stopped_by_the_diagnosis(digits: Stages, tmp_path: Path) -> None:
    section = train_section(epochs=9, early_stopping={"monitor": "val_accuracy", "patience": 1})
    train_small(digits.prepared, tmp_path / "run", model(**ZEROS), section)
    tree = json.loads((tmp_path / "run/artifacts/diagnosis.json").read_text())
    assert tree["num_epochs"] < 9
    assert (tree["findings"][0]["severity"], tree["stopped"]) == ("critical", False)
    assert sickness(tmp_path / "run") == ""


def test_a_healthy_training_is_tagged_so_and_says_nothing(digits: Stages, tmp_path: Path) -> None:
    section = train_section(epochs=12, optimizer={"type": "adam", "learning_rate": 0.01})
    train_small(digits.prepared, tmp_path / "run", model(type="mlp", units=[32]), section)
    assert tags(tmp_path / "run") | {"diagnosis.status": "healthy", "diagnosis.symptoms": "none"} == tags(
        tmp_path / "run"
    )
    assert not [
        record for record in records(tmp_path / "run", "say") if record["text"].startswith(("diagnosis", "check"))
    ]


@pytest.mark.parametrize("section", [{"epochs": 5, "on_sick": "ignore"}, {"epochs": 4}])
def test_no_diagnosis_where_it_is_not_wanted_or_there_is_too_little_to_judge(
    digits: Stages, tmp_path: Path, section: dict[str, object]
) -> None:
    train_small(digits.prepared, tmp_path / "run", model(**ZEROS), train_section(**section))
    assert "diagnosis.status" not in tags(tmp_path / "run")


def test_a_short_training_is_checked_by_what_needs_no_reading(digits: Stages, tmp_path: Path) -> None:
    section, network = (
        train_section(epochs=1, optimizer={"learning_rate": 1}),
        model(type="mlp", units=[8], batch_norm=True),
    )
    train_small(digits.prepared, tmp_path / "run", network, section, batch_size=4)
    said = [record["text"] for record in records(tmp_path / "run", "say")]
    assert [text for text in said if text.startswith("check: small_batch_norm in ")]
    assert [text for text in said if text.startswith("check: learning_rate: A learning rate of 1 is too high for Adam")]
