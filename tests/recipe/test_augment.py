"""The recipe's `augment` section: what is refused because it would do nothing or cannot be."""

from typing import Any

import pytest

from pipeline.recipe.errors import RecipeError
from pipeline.recipe.load import load_recipe


def refusal(recipe: str | dict[str, Any], *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, overrides)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["flip", "shear"])
def test_a_transform_with_no_direction_is_refused(kind: str) -> None:
    said = refusal("digits", f"augment=[{{type: {kind}, horizontal: false}}]")
    assert f"augment.0: `{kind}` has no effect with neither horizontal nor vertical; remove it" in said


@pytest.mark.parametrize("kind", ["hue", "saturation"])
def test_colours_of_grey_images_cannot_change(kind: str) -> None:
    said = refusal("digits", "preprocess.channels=1", f"augment=[{{type: flip}}, {{type: {kind}}}]")
    assert f"augment.1.type: `{kind}` changes colours; with `preprocess.channels: 1` there are none" in said
    assert load_recipe("digits", ["preprocess.channels=3", f"augment=[{{type: {kind}}}]"]).augment


@pytest.mark.parametrize(
    ("recipe", "kind", "changes"),
    [
        ("digits", "word_dropout", "text data; `data.type: digits` is image"),
        ("digits", "swap_noise", "table data; `data.type: digits` is image"),
        ("docstrings", "mixup", "image and table data; `data.type: docstrings` is text"),
        ("breast_cancer", "cutmix", "image data; `data.type: breast_cancer` is table"),
    ],
)
def test_a_transform_of_another_kind_of_data_is_refused(recipe: str, kind: str, changes: str) -> None:
    assert f"augment.0.type: `{kind}` changes {changes}" in refusal(recipe, f"augment=[{{type: {kind}}}]")


def test_swapping_words_is_refused_where_their_order_is_not_seen() -> None:
    said = refusal("docstrings", "augment=[{type: word_swap}]")
    assert "augment.0.type: `word_swap` has no effect: the model pools over the tokens" in said
    assert load_recipe("docstrings", ["augment=[{type: word_swap}]", "model.encoder=conv1d"]).augment


@pytest.mark.parametrize(
    ("layers", "is_refused"),
    [
        ("{type: Dropout, rate: 0.1}, {type: GlobalMaxPooling1D}", True),
        ("{type: Conv1D, filters: 4, kernel_size: 3}, {type: GlobalMaxPooling1D}", False),
        ("{type: Flatten}", False),
    ],
)
def test_swapping_words_is_refused_for_layers_that_pool_before_they_see_the_order(
    layers: str, is_refused: bool
) -> None:
    embedding = "{type: Embedding, input_dim: 5000, output_dim: 4}"
    overrides = [f"model={{type: layers, layers: [{embedding}, {layers}]}}", "augment=[{type: word_swap}]"]
    if is_refused:
        assert "`word_swap` has no effect" in refusal("docstrings", *overrides)
    else:
        assert load_recipe("docstrings", overrides).augment


def test_what_mixes_examples_comes_last() -> None:
    said = refusal("digits", "augment=[{type: mixup}, {type: flip}]")
    assert "augment.1.type: `flip` changes single examples; move it before mixup and cutmix, which come last" in said
    assert load_recipe("digits", ["augment=[{type: flip}, {type: mixup}, {type: cutmix}]"]).augment


VALUES = {"data": {"type": "csv", "path": "x.csv", "label": "y", "task": "regression"}, "model": {"type": "mlp"}}


def test_values_are_neither_mixed_nor_balanced() -> None:
    assert "augment.0.type: `mixup` mixes classes; a regression task has none" in refusal(
        {"name": "v", **VALUES, "augment": [{"type": "mixup"}]}
    )
    said = refusal({"name": "v", **VALUES, "data": {**VALUES["data"], "sampling": "balanced"}})
    assert "data.sampling: `balanced` needs one class an example; a regression task has none. Use natural" in said
