"""Stored predictions: written, read, named by their examples."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.comparison.predictions import TestPredictions, fingerprint
from pipeline.errors import UserError
from tests.comparison.examples import TASKS, predicted


def stored(task: str) -> TestPredictions:
    of = predicted(task)
    ids = tuple(f"{(7 * i) % 61:02d}" for i in range(len(of.labels)))
    groups = pd.DataFrame({"site": ["north", "south"] * 30})
    return TestPredictions(ids, of, ("a", "b", "c", "d"), ("accuracy", "log_loss"), groups)


@pytest.mark.parametrize("task", TASKS)
def test_what_is_written_is_read(task: str, tmp_path: Path) -> None:
    before = stored(task)
    before.write(tmp_path / "p.parquet")
    after = TestPredictions.read(tmp_path / "p.parquet")
    assert (after.ids, after.classes, after.metrics) == (before.ids, before.classes, before.metrics)
    assert after.predicted.task == task
    np.testing.assert_array_equal(after.predicted.labels, before.predicted.labels)
    np.testing.assert_allclose(after.predicted.outputs, before.predicted.outputs, atol=1e-12)
    assert after.groups.equals(before.groups)
    assert after.fingerprint == before.fingerprint


def test_the_fingerprint_names_examples_and_labels_in_any_order() -> None:
    labels = np.array([0, 1, 1])
    assert fingerprint("abc", labels) == fingerprint("cba", labels[::-1])
    assert fingerprint("abc", labels) != fingerprint("abd", labels)
    assert fingerprint("abc", labels) != fingerprint("abc", 1 - labels)


def test_ordered_predictions_keep_each_example_with_its_answer() -> None:
    before = stored("multiclass")
    after = before.ordered()
    assert list(after.ids) == sorted(before.ids)
    row = before.ids.index(after.ids[5])
    assert after.predicted.labels[5] == before.predicted.labels[row]
    assert (after.predicted.outputs[5] == before.predicted.outputs[row]).all()
    assert after.groups["site"][5] == before.groups["site"][row]


def test_a_file_that_does_not_say_its_task_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"id": ["a"], "label": [0]}).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(UserError, match=r"expected predictions with their task. Run the recipe again"):
        TestPredictions.read(tmp_path / "p.parquet")
