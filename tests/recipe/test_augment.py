"""The recipe's `augment` section: what is refused because it would do nothing or cannot be."""

import pytest

from pipeline.recipe.errors import RecipeError
from pipeline.recipe.load import load_recipe


def refusal(recipe: str, *overrides: str) -> str:
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
