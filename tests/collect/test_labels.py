import numpy as np
import pyarrow as pa
import pytest

from pipeline.collect.labels import Labels, infer_labels
from pipeline.collect.source import Source
from pipeline.errors import UserError
from pipeline.recipe.data import Task


def inferred(values: list[object], asked: Task = "auto", classes: tuple[str, ...] = ()) -> Labels:
    source = Source("table", "test", ("y",), iter(()), classes=classes)
    return infer_labels(source, pa.chunked_array([pa.array(values)]), asked, lambda row: f"row {row}")


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["b", "a", "b"], "binary", ("a", "b")),
        (["b", "a", "c"], "multiclass", ("a", "b", "c")),
        ([True, False, True], "binary", ("false", "true")),
        ([10, 9, 10, 2], "multiclass", ("2", "9", "10")),
        ([0.0, 1.0, 0.0], "binary", ("0", "1")),
        ([0.5, 1.0, 2.5], "regression", ()),
        (list(range(18, 90)), "regression", ()),
        (list(range(50)) * 2, "regression", ()),
        (list(range(50)) * 10, "multiclass", tuple(map(str, range(50)))),
        ([["x"], ["y", "x"], []], "multilabel", ("x", "y")),
    ],
)
def test_task_follows_from_the_labels(values: list[object], task: str, classes: tuple[str, ...]) -> None:
    labels = inferred(values)
    assert (labels.task, labels.classes) == (task, classes)


def test_indices_point_at_class_names() -> None:
    assert inferred([10, 9, 10, 2]).values.tolist() == [2, 1, 2, 0]
    assert inferred([["x"], ["y", "x"], []]).values.tolist() == [[1, 0], [1, 1], [0, 0]]


def test_recipe_overrides_the_task() -> None:
    assert inferred([1, 2, 3], "regression").values.dtype == np.float32
    assert inferred([0.5, 1.5, 0.5], "binary").classes == ("0.5", "1.5")
    assert inferred(["a", "b"], "multiclass").task == "multiclass"


@pytest.mark.parametrize(
    ("values", "asked", "message"),
    [
        ([1.0, float("nan"), 2.0], "auto", r"1 of 3 examples have no label \(row 1\)"),
        (["a", None, None], "auto", r"2 of 3 examples have no label \(row 1, row 2\)"),
        (["a", "a"], "auto", r"expected at least two different labels\. Received: only a"),
        ([2.5, 2.5], "auto", r"Received: only 2.5"),
        (["a", "b", "c"], "binary", r"data\.task: expected labels for binary\. .* which is multiclass"),
        (["a", "b"], "multilabel", r"data\.task: expected labels for multilabel"),
    ],
)
def test_labels_that_cannot_be_learnt_are_refused(values: list[object], asked: Task, message: str) -> None:
    with pytest.raises(UserError, match=message):
        inferred(values, asked)


def test_store_keeps_each_task_in_its_type() -> None:
    assert inferred(["a", "b"]).to_arrow(slice(0, 2)).type == pa.int32()
    assert inferred([0.5, 1.5]).to_arrow(slice(0, 2)).type == pa.float32()
    hot = inferred([["x"], ["y"], ["x", "y"]]).to_arrow(slice(1, 3))
    assert hot.type == pa.list_(pa.float32())
    assert hot.to_pylist() == [[0, 1], [1, 1]]
