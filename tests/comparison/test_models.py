"""Models side by side: on which examples, in which order, and the page about it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.comparison.disagreement import disagreement_in_words, disagreements, group_effects
from pipeline.comparison.models import compare_models
from pipeline.comparison.page import two_to_contrast, write_page
from pipeline.comparison.predictions import TestPredictions
from pipeline.errors import UserError
from pipeline.metrics import METRICS
from tests.comparison.examples import TASKS, predicted

NAMES = ("accuracy", "log_loss")


def answers(seed: int, noise: float, *, num_examples: int = 300, task: str = "multiclass") -> TestPredictions:
    of = predicted(task, num_examples, seed=seed, noise=noise)
    groups = pd.DataFrame({"site": np.where(np.arange(num_examples) % 3, "north", "south")})
    classes = {"binary": "ab", "multiclass": "abcd", "multilabel": "abc", "regression": ""}[task]
    metrics = ("mae", "rmse") if task == "regression" else NAMES
    return TestPredictions(tuple(f"{i:03d}" for i in range(num_examples)), of, tuple(classes), metrics, groups)


def shuffled(test: TestPredictions) -> TestPredictions:
    return test.take(np.random.Generator(np.random.PCG64(9)).permutation(len(test.ids)))


def test_models_are_paired_example_by_example_whatever_the_order() -> None:
    good, bad = answers(1, 0.6), answers(2, 1.2)
    straight = compare_models({"A": bad, "B": good})
    mixed = compare_models({"A": bad, "B": shuffled(good)})
    assert straight.caveat == mixed.caveat == ""
    assert straight.effects == mixed.effects
    assert straight.verdicts[0].startswith("B is better than A by ")
    assert straight.estimates["B"]["log_loss"].value == METRICS["log_loss"](good.ordered().predicted)


def test_many_models_get_a_ranking_and_the_first_line_says_who_can_be_first() -> None:
    found = compare_models({"A": answers(1, 0.6), "B": answers(2, 0.6), "C": answers(3, 2.0)})
    assert found.verdicts[0] == "by accuracy, A, B can be first; C cannot"
    assert len(found.verdicts) == 4
    assert {place.name for place in found.ranking[:2]} == set(two_to_contrast(found)) == {"A", "B"}


def test_of_other_test_examples_the_shared_ones_are_compared_and_it_is_said() -> None:
    whole = answers(1, 0.6)
    found = compare_models({"A": answers(2, 0.8), "B": whole.take(np.arange(100, 300))})
    assert found.caveat == "not the same test examples (A 300, B 200): compared on the 200 that all have"
    assert found.num_examples == 200
    assert found.estimates["B"]["accuracy"].value == METRICS["accuracy"](whole.take(np.arange(100, 300)).predicted)


def test_models_without_examples_in_common_are_not_compared() -> None:
    whole = answers(1, 0.6)
    with pytest.raises(UserError, match=r"the same test examples. Received: A 150, B 150, of which all have 0 with"):
        compare_models({"A": whole.take(np.arange(150)), "B": whole.take(np.arange(150, 300))})


def test_models_of_other_questions_are_not_compared() -> None:
    with pytest.raises(UserError, match=r"B: expected the task of A \(multiclass\). Received: binary"):
        compare_models({"A": answers(1, 1), "B": answers(1, 1, task="binary")})


@pytest.mark.slow
def test_the_group_in_which_a_model_fails_is_found() -> None:
    good = answers(1, 0.6)
    labels, outputs = good.predicted.labels, good.predicted.outputs.copy()
    south = (good.groups["site"] == "south").to_numpy()
    outputs[south] = np.eye(4)[(labels[south] + 1) % 4]
    bad = TestPredictions(
        good.ids, type(good.predicted)("multiclass", labels, outputs), good.classes, NAMES, good.groups
    )
    table = group_effects(good, bad)
    assert (table["value"][0], bool(table["differs"][0])) == ("south", True)
    assert table["difference"][0] < -0.5
    assert not table["differs"][1:].any()
    changed = disagreements(good, bad, limit=1000)
    assert set(changed["id"]) <= {good.ids[row] for row in np.flatnonzero(south)}
    assert (changed["first"] != changed["second"]).all()
    said = disagreement_in_words(("A", "B"), good, bad)
    assert said.startswith(f"A and B answer {len(changed)} of 300 examples differently; B is worse on site south (by ")


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_the_page_holds_all_in_one_file(task: str, tmp_path: Path) -> None:
    found = compare_models({"A <1>": answers(1, 0.6, task=task), "B": answers(2, 1.5, task=task)})
    path = tmp_path / "comparison.html"
    differences = {"recipe": [("train.epochs", "5", "6")], "code": []}
    write_page(found, path, differences=differences, verdicts=found.verdicts)
    page = path.read_text()
    assert "A &lt;1&gt; is better than B by" in page
    assert page.count('<img src="data:image/') == 2
    assert "<td>train.epochs</td><td>5</td><td>6</td>" in page
    assert "http" not in page
    assert "The same in all." in page
