"""What a run keeps of its diagnosis: JSON and a page; a resumed training goes on from what was seen."""

import math
from pathlib import Path

import numpy as np

from pipeline.diagnosis import Diagnosis
from pipeline.diagnosis.diagnose import diagnose
from pipeline.diagnosis.page import write_page
from pipeline.diagnosis.record import finding_from_tree, finding_to_tree, seen_from_text, seen_to_text
from pipeline.diagnosis.signals import Column
from tests.diagnosis.made_up import training
from tests.diagnosis.test_callback import X, Y, fit, network

SICK = training(
    [1.386] * 40, layers={Column.DEAD: [0.1, 0.9, 0.0]}, score=0.25, loss=1.386, spread=math.nan, ended=True
)


def test_what_was_seen_and_said_comes_back_as_it_was() -> None:
    findings = diagnose(SICK)
    readings, epochs, said = seen_from_text(seen_to_text(SICK.readings, SICK.epochs, findings))
    assert said == findings
    assert [epoch.logs for epoch in epochs] == [epoch.logs for epoch in SICK.epochs]
    np.testing.assert_array_equal(readings[-1].layers, SICK.last.layers)
    assert math.isnan(readings[0].spread)
    assert [finding_from_tree(finding_to_tree(finding)) for finding in findings] == findings


def test_a_callback_goes_on_from_what_another_saw() -> None:
    first, second = Diagnosis(X, Y), Diagnosis(X, Y)
    fit(network(), first, epochs=3)
    second.set_params({"epochs": 4, "steps": 4})
    second.set_model(first.model)
    second.on_train_begin()
    second.seen = first.seen
    second.on_epoch_begin(3)
    second.on_epoch_end(3, {"loss": 0.4})
    assert [reading.epoch for reading in second.signals.readings] == [0, 1, 3, 4]
    assert len(second.signals.epochs) == 4
    assert np.isnan(second.signals.last.layers[:, Column.UPDATE]).all()


def test_the_page_shows_findings_layers_and_epochs(tmp_path: Path) -> None:
    write_page(SICK, diagnose(SICK), tmp_path / "diagnosis.html")
    page = (tmp_path / "diagnosis.html").read_text()
    assert "<h1>Sick</h1>" in page
    assert "dying_relu" in page
    assert "model.activation=tanh" in page
    assert page.count("<tr><th>second</th>") == 4
    assert "<polyline" in page
