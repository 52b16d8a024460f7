"""The table of Keras names is that of the installed Keras."""

from models.keras_api import arguments, generate, keras_api


def test_the_table_is_that_of_the_installed_keras():
    assert keras_api() == generate(), "run `python -m models.keras_api`"


def test_names_are_found_in_both_spellings_and_layers_in_one():
    assert arguments("initializers", "he_normal") == arguments("initializers", "HeNormal")
    assert "weight_decay" in arguments("optimizers", "adamw")
    assert arguments("layers", "dense") is None
    assert arguments("layers", "Dense")[0] == "units"
