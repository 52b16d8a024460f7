"""A key of the `model` section that would do nothing, or contradicts another, is refused before anything runs."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from models.config import ModelConfig
from pipeline.recipe.errors import RecipeError
from pipeline.recipe.load import load_recipe
from pipeline.recipe.model_checks import OF_BACKBONES, OF_ENCODERS, check_model
from pipeline.recipe.warnings import warnings

TRANSFORMER = {"type": "text", "encoder": "transformer"}


def section(**keys: Any) -> ModelConfig:
    return TypeAdapter(ModelConfig).validate_python(keys)


def problems(kind: str | None = None, **keys: Any) -> list[str]:
    return [f"{problem.key}: {problem.message}" for problem in check_model(section(**keys), kind)]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"type": "mlp", "initializers": {"conv": "ones"}}, "model.initializers.conv: has no effect: this network"),
        ({"type": "cnn", "initializers": {"dense": "onez"}}, "model.initializers.dense: expected the Keras name"),
        ({"type": "cnn", "units": 0, "initializers": {"dense": "ones"}}, "no such layers, but conv, output"),
        ({"type": "cnn", "initializers": {"recurrent": "ones"}}, "model.initializers.recurrent: has no effect"),
        ({"type": "text", "units": 0, "activation": "tanh"}, "model.activation: has no effect: no layer"),
        ({"type": "mlp", "batch_norm": True, "normalization": "layer"}, "contradicts `batch_norm: true`"),
        ({"type": "mlp", "batch_norm": True, "normalization": "none"}, "contradicts `batch_norm: true`"),
        ({"type": "mlp", "batch_norm": False, "normalization": "batch"}, "contradicts `batch_norm: false`"),
        ({"type": "text", "units": 0, "batch_norm": True}, "model.batch_norm: has no effect: there is no layer"),
        ({"type": "mlp", "normalization": "group"}, "model.normalization: groups are of the channels"),
        ({**TRANSFORMER, "normalization": "batch"}, "expected layer or none with `encoder: transformer`"),
        ({"type": "cnn", "norm_groups": 4}, "model.norm_groups: has no effect with none normalisation"),
        ({"type": "mlp", "dropout_type": "gaussian"}, "model.dropout_type: has no effect with `dropout: 0`"),
        ({"type": "mlp", "dropout": 0.1, "dropout_type": "alpha"}, "expected `activation: selu` with alpha"),
        ({"type": "mlp", "dropout": 0.1, "dropout_type": "spatial"}, "spatial drops whole feature maps of images"),
        ({"type": "mlp", "penalize": ["bias"]}, "model.penalize: has no effect with neither `l1` nor `l2`"),
        ({"type": "mlp", "l2": 0.1, "penalize": ["norm"]}, "`norm` has no effect, as there is no normalisation"),
        ({**TRANSFORMER, "embedding_dim": 6}, "model.num_heads: expected a divisor of model.embedding_dim (6)"),
    ],
)
def test_what_has_no_effect_or_contradicts_is_refused(keys: dict[str, Any], message: str) -> None:
    assert message in "\n".join(problems(**keys))


def test_noise_needs_images_or_numbers() -> None:
    assert problems("text", type="mlp", input_noise=0.1)[0].startswith("model.input_noise: adds noise to images")
    assert problems("table", type="mlp", input_noise=0.1) == []


@pytest.mark.parametrize(("variant", "table"), [("encoder", OF_ENCODERS), ("backbone", OF_BACKBONES)])
def test_a_key_of_another_variant_is_refused(variant: str, table: dict[str, tuple[str, ...]]) -> None:
    family = {"encoder": "text", "backbone": "tabular"}[variant]
    values = {"filters": [7], "recurrent_units": [7], "units": [7], "stochastic_depth": 0.1, "zero_gamma": True}
    for chosen in {name for names in table.values() for name in names}:
        for key, variants in table.items():
            value = values.get(key, 8)
            found = problems(**{"type": family, variant: chosen, key: value})
            if chosen in variants:
                assert found == []
            else:
                assert found == [
                    f"model.{key}: has no effect with `{variant}: {chosen}`; remove it, or use {' or '.join(variants)}"
                ]


@pytest.mark.parametrize(
    "keys",
    [
        *({"type": family} for family in ("mlp", "cnn", "resnet", "convnext", "text", "tabular")),
        {"type": "resnet", "batch_norm": False},
        {"type": "convnext", "normalization": "group", "norm_groups": 4},
        {"type": "cnn", "dropout": 0.1, "dropout_type": "spatial", "l1": 0.1, "penalize": ["bias"]},
        {**TRANSFORMER, "units": 0, "activation": "gelu", "initializers": {"dense": "ones"}},
        {"type": "text", "encoder": "bigru", "units": 0, "initializers": {"recurrent": "ones", "dense": "ones"}},
    ],
)
def test_what_has_an_effect_is_taken(keys: dict[str, Any]) -> None:
    assert problems(**keys) == []


@pytest.mark.parametrize(
    ("keys", "messages"),
    [
        ({"type": "mlp", "activation": "selu", "batch_norm": True}, ["batch normalisation beside it"]),
        ({"type": "mlp", "activation": "selu", "dropout": 0.1}, ["plain dropout changes"]),
        ({"type": "mlp", "activation": "selu", "kernel_initializer": "ones"}, ["lecun_normal alone"]),
        ({"type": "mlp", "activation": "selu", "dropout": 0.1, "dropout_type": "alpha"}, []),
    ],
)
def test_what_seldom_works_well_is_said(keys: dict[str, Any], messages: list[str]) -> None:
    said = list(warnings(section(**keys)))
    assert len(said) == len(messages)
    assert all(message in line for message, line in zip(messages, said, strict=True))


@pytest.mark.parametrize("override", ["data.sampling=balanced", "train.class_weights=balanced"])
def test_priors_of_a_split_that_is_balanced_are_refused(override: str) -> None:
    with pytest.raises(RecipeError, match=f"model.output_bias: priors .*`{override.split('=')[0]}` changes them"):
        load_recipe("digits", ["model.output_bias=priors", override])


@pytest.mark.parametrize("keys", [{"embedding_dim": 4}, {"initializers": {"embedding": "ones"}}])
def test_embeddings_of_a_table_without_categories_are_refused_once_that_is_known(keys: dict[str, Any]) -> None:
    found = [list(check_model(section(type="tabular", **keys), "table", has_categories=it)) for it in (None, True)]
    assert found == [[], []]
    (problem,) = check_model(section(type="tabular", **keys), "table", has_categories=False)
    assert problem.message == "has no effect, as this table has no categories; remove it"
    with pytest.raises(RecipeError, match="this table has no categories"):
        load_recipe({"name": "cells", "data": {"type": "breast_cancer"}, "model": {"type": "tabular", **keys}})
