"""Recipes: what loads, what is refused, and what the refusal says."""

from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.recipe.errors import RecipeError
from pipeline.recipe.load import dump_recipe, load_recipe
from pipeline.recipe.source import built_in_recipes

ISSUE_RECIPE = """\
name: digits                 # the run's name
seed: 42
data: {type: digits, batch_size: 64, split: {by: hash, validation: 0.15, test: 0.2}}
preprocess: {normalize: unit}
augment: [{type: rotate, degrees: 10}, {type: shift, fraction: 0.1}]
model: {type: cnn, filters: [32, 64], kernel_initializer: auto, batch_norm: true, dropout: 0.3, l2: 1.0e-4}
train:
  epochs: 20
  optimizer: {type: adam, learning_rate: 1e-3}
  schedule: {type: cosine, warmup_epochs: 1}
  early_stopping: {monitor: val_loss, patience: 5}
  precision: auto
evaluate: {metrics: [accuracy, f1_macro]}
register: {name: digits, gate: {accuracy: 0.95}}
"""


@pytest.fixture
def written(tmp_path: Path):
    def write(text: str, name: str = "mine.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refusal(recipe, *overrides: str) -> list[str]:
    """The lines of the error that a recipe is refused with."""
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, overrides)
    return str(caught.value).splitlines()


def test_every_built_in_recipe_loads():
    assert set(built_in_recipes()) == {"digits", "digits_tune", "breast_cancer", "docstrings"}
    for name in built_in_recipes():
        assert load_recipe(name).name == name


def test_the_documented_shape_loads_with_its_numbers(written):
    recipe = load_recipe(written(ISSUE_RECIPE))
    assert recipe.train.optimizer.learning_rate == 0.001
    assert recipe.model.filters == (32, 64)
    assert recipe.tracking.experiment == "digits"


def test_name_data_and_model_type_suffice():
    recipe = load_recipe({"name": "least", "data": {"type": "digits"}, "model": {"type": "mlp"}})
    assert recipe.register_.name == "least"
    assert recipe.evaluate.metrics[0] == "accuracy"


@pytest.mark.parametrize("name", ["digits", "breast_cancer", "docstrings"])
def test_a_shown_recipe_is_the_same_recipe(name, written):
    recipe = load_recipe(name)
    assert load_recipe(written(dump_recipe(recipe))) == recipe


def test_overrides_are_typed_and_reach_into_lists(written):
    recipe = load_recipe(
        written(ISSUE_RECIPE),
        ["train.epochs=5", "model.filters=[8]", "augment.0.degrees=45", "train.early_stopping=null"],
    )
    assert recipe.train.epochs == 5
    assert recipe.model.filters == (8,)
    assert recipe.augment[0].degrees == 45
    assert recipe.train.early_stopping is None
    assert refusal("digits", "train.epochs=five") == [
        "command line: train.epochs: expected a whole number of 1 or more. Received: 'five'"
    ]


def test_a_recipe_cannot_be_changed_in_place():
    with pytest.raises(ValueError, match="frozen"):
        load_recipe("digits").train.epochs = 3


def test_all_problems_come_at_once_with_line_and_nearest_name(written):
    text = ISSUE_RECIPE.replace("dropout: 0.3", "dropuot: 0.3").replace("l2: 1.0e-4", "l2: -1")
    text = text.replace("epochs: 20", "epochs: 2.5").replace("[accuracy, f1_macro]", "[accurcy, rmse]")
    lines = refusal(written(text))
    assert [line.split(": ")[0] for line in lines] == [f"mine.yaml:{n}" for n in (6, 6, 8, 13, 13)]
    assert "model.dropuot: unknown key of `type: cnn`. Did you mean `dropout`?" in "\n".join(lines)
    assert "mine.yaml:6: model.l2: expected a number of 0 or more. Received: -1" in lines
    assert "mine.yaml:8: train.epochs: expected a whole number of 1 or more. Received: 2.5" in lines
    assert lines[3].endswith("Received: 'accurcy'. Did you mean `accuracy`?")
    assert "a multiclass task has no `rmse`" in lines[4]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.type=digit", "data.type: expected one of digits, "),
        ("data.batch_size=true", "data.batch_size: expected a whole number of 1 or more. Received: True"),
        ("data.task=regression", "data.task: `data.type: digits` is a multiclass task"),
        ("data.split={test: 0.9}", "data.split: expected validation + test below 1"),
        ("data.split.by=group", "data.split.by: `group` needs a column"),
        ("data.split.by=source", "data.split.by: `type: digits` comes without splits"),
        ("data.split.column=x", "data.split.column: has no effect with `by: hash`"),
        (
            "preprocess.vocabulary_size=9",
            "preprocess.vocabulary_size: a key for text data; this recipe's data is image",
        ),
        ("preprocess.normalize=log", "preprocess.normalize: expected one of auto, unit"),
        ("augment=[{type: spin}]", "augment.0.type: expected one of flip, shift"),
        ("model.type=text", "model.type: `text` takes text data; `data.type: digits` is image"),
        ("model.output_activation=sigmoid", "model.output_activation: expected auto or softmax for a multiclass task"),
        ("model.activation=rellu", "Received: 'rellu'. Did you mean `relu`?"),
        ("model.kernel_initializer=he_norml", "Received: 'he_norml'. Did you mean `HeNormal`?"),
        ("model.kernel_initializer={type: he_normal, gain: 2}", "he_normal has no such argument"),
        ("train.optimizer.type=adamm", "Received: 'adamm'. Did you mean `Adam"),
        ("train.optimizer.bta_1=0.5", "adam has no such argument. Did you mean `beta_1`?"),
        ("train.loss=mean_squared_error", "train.loss: expected one of auto, sparse_categorical_crossentropy"),
        ("train.schedule={type: cosine, warmup_epochs: 99}", "train.schedule.warmup_epochs: expected fewer than"),
        ("train.early_stopping.monitor=val_acuracy", "Received: 'val_acuracy'. Did you mean `val_accuracy`?"),
        ("preprocess.size=[0, 8]", "preprocess.size.0: expected a list of 2: each a whole number of 1 or more"),
        ("augment=[{type: flip, horizontal: false}]", "augment.0: `flip` has no effect"),
        (
            "model={type: layers, layers: [{type: Flatten}], add_output: false, output_activation: softmax}",
            "model.output_activation: has no effect with `add_output: false`",
        ),
        ("register.name=a/b", "register.name: expected letters, digits, spaces and . _ - only"),
        ("name=!!python/name:os.system x", "name: expected plain YAML. Received the tag"),
        ("register.gate={rmse: 1.0}", "register.gate.rmse: a multiclass task has no `rmse`"),
        ("tracking.url=x", "tracking.url: unknown key. Did you mean `uri`?"),
        ("nothing", "expected key=value"),
    ],
)
def test_a_mistake_is_named(override, said):
    text = "\n".join(refusal("digits", *([override] if override != "model.type=text" else ["model={type: text}"])))
    assert said in text
    assert "command line" in text


def test_a_schedule_that_does_not_say_which_is_constant_in_its_mistakes_too():
    tree = {"name": "t", "data": {"type": "breast_cancer"}, "model": {"type": "mlp"}}
    schedule = load_recipe(tree, ["train.schedule.warmup_epochs=3"]).train.schedule
    assert (schedule.type, schedule.warmup_epochs) == ("constant", 3)
    assert refusal(tree, "train.schedule.warmup_epoch=3") == [
        "command line: train.schedule.warmup_epoch: unknown key of `type: constant`. Did you mean `warmup_epochs`? "
        "Keys here: warmup_epochs, warmup_steps, type"
    ]
    assert refusal(tree, "train.schedule.warmup_epochs=-1") == [
        "command line: train.schedule.warmup_epochs: expected a number of 0 or more. Received: -1"
    ]


def test_softmax_with_the_wrong_loss_is_refused_before_the_task_is_known(written):
    lines = refusal(
        {
            "name": "t",
            "data": {"type": "npz", "path": "x.npz"},
            "model": {"type": "mlp", "output_activation": "softmax"},
            "train": {"loss": "binary_crossentropy"},
        }
    )
    assert lines == [
        "recipe: model.output_activation: expected sigmoid with train.loss binary_crossentropy. Received: 'softmax'"
    ]


def test_augmentation_for_the_wrong_kind_of_data_is_refused():
    assert refusal("breast_cancer", "augment=[{type: flip}]") == [
        "command line: augment.0.type: `flip` changes image data; `data.type: breast_cancer` is table"
    ]


def test_layers_are_checked_against_keras_without_importing_it():
    tree = {
        "name": "l",
        "data": {"type": "digits"},
        "model": {"type": "layers", "layers": [{"type": "Desne", "units": 3}]},
    }
    assert (
        "model.layers.0.type: expected the Keras name of a layer. Received: 'Desne'. Did you mean `Dense`?"
        in refusal(tree)[0]
    )
    tree["model"]["layers"] = [{"type": "Dense", "unit": 3}]
    assert "model.layers.0.unit: Dense has no such argument. Did you mean `units`?" in refusal(tree)[0]


def test_broken_yaml_says_the_line(written):
    assert refusal(written("name: x\ndata: {type: digits\nmodel: 3\n"))[0].startswith("mine.yaml:3: not valid YAML")
    assert "mine.yaml:2: not valid YAML: found duplicate key" in refusal(written("name: x\nname: y\n"))[0]
    assert refusal(written("- a\n"))[0].startswith("mine.yaml: expected sections such as `name:`")


def test_a_file_that_is_no_text_is_refused(written):
    assert refusal(written("name: \x00\n"))[0].startswith("mine.yaml: not valid YAML: unacceptable character #x0000")


def test_anchors_and_merges_are_plain_values(written):
    recipe = load_recipe(
        written(
            "name: a\ndata: {type: digits}\n"
            "model: {type: cnn, batch_norm: &yes true}\n"
            "train: {deterministic: *yes, early_stopping: {<<: {patience: 3}}}\n"
        )
    )
    assert recipe.model.batch_norm is recipe.train.deterministic is True
    assert recipe.train.early_stopping.patience == 3


def test_a_table_needs_a_label_and_a_separator_of_one_character():
    data = {"type": "csv", "path": "x.csv", "label": [], "separator": "; "}
    lines = "\n".join(refusal({"name": "a", "data": data, "model": {"type": "mlp"}}))
    assert "data.label: expected" in lines
    assert "data.separator: expected one character. Received: '; '" in lines


def test_keys_of_the_other_encoder_are_refused_and_their_defaults_are_not(written):
    assert refusal("docstrings", "model.filters=[8]", "model.kernel_size=3") == [
        "command line: model.filters: has no effect with `encoder: pooling`; remove it, or use conv1d",
        "command line: model.kernel_size: has no effect with `encoder: pooling`; remove it, or use conv1d",
    ]
    assert load_recipe("docstrings", ["model.filters=[8]", "model.encoder=conv1d"]).model.filters == (8,)


def test_yaml_cannot_construct_objects(written):
    for value in ('!!python/object/apply:os.system ["true"]', "!!python/name:os.system x"):
        lines = refusal(written(f"name: {value}\ndata: {{type: digits}}\nmodel: {{type: mlp}}\n"))
        assert lines[0].startswith("mine.yaml:1: name: expected plain YAML. Received the tag")


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(UserError, match="Did you mean `digits`"):
        load_recipe("digts")
    with pytest.raises(UserError, match="There is no such file"):
        load_recipe("folder/none.yaml")


def test_paths_are_relative_to_the_file_and_on_the_command_line_to_here(written, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    path = written("name: t\ndata: {type: csv, path: wine.csv, label: y}\nmodel: {type: mlp}\n")
    assert load_recipe(path).data.path == str(tmp_path / "wine.csv")
    assert load_recipe(path, ["data.path=beer.csv"]).data.path == "/beer.csv"
