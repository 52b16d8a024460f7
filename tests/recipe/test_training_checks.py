"""The `train` section: combinations that are refused, and what the refusal says."""

import pytest

from pipeline.recipe.errors import RecipeError
from pipeline.recipe.load import dump_recipe, load_recipe
from pipeline.recipe.train import TrainConfig
from pipeline.recipe.training_checks import check_training

BARE = {"name": "bare", "data": {"type": "digits"}, "model": {"type": "mlp"}}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("schedule={type: constant, warmup_epochs: 1, warmup_steps: 5}", "train.schedule.warmup_steps: given beside"),
        ("schedule={type: step, every_epochs: 2, every_steps: 5}", "train.schedule.every_steps: given beside"),
        ("schedule={type: step, every_epochs: 20}", "has no effect: 20 epochs are the whole run (train.epochs: 20)"),
        ("schedule={type: cosine_restarts, first_epochs: 19, warmup_epochs: 1}", "train.schedule.first_epochs: has no"),
        ("schedule={type: one_cycle, warmup_epochs: 1}", "train.schedule.warmup_epochs: unknown key"),
        ("reduce_on_plateau={monitor: val_los}", "train.reduce_on_plateau.monitor: expected one of loss"),
        ("{schedule: {type: cosine}, reduce_on_plateau: {}}", "needs a rate that nothing else moves"),
        ("{schedule: {type: constant, warmup_steps: 3}, reduce_on_plateau: {}}", "needs a rate that nothing else"),
        ("{early_stopping: {patience: 3}, reduce_on_plateau: {patience: 3}}", "or the run ends first. Received: 3"),
        ("reduce_on_plateau={min_learning_rate: 0.001}", "expected less than train.optimizer.learning_rate (0.001)"),
        ("optimizer={type: loss_scale_optimizer}", "wraps other optimisers: name the inner one instead"),
        ("optimizer={type: MultiOptimizer}", "wraps other optimisers: name the inner one instead"),
        ("optimizer={use_ema: true}", "train.optimizer.use_ema: not taken here: use `train.averaging: {type: ema}`"),
        ("optimizer={gradient_accumulation_steps: 2}", "not taken here: use `train.accumulate_steps`"),
        ("optimizer={loss_scale_factor: 8.0}", "not taken here: use `train.precision: mixed_float16`"),
        ("optimizer={type: sgd, nesterov: true}", "train.optimizer.nesterov: has no effect without `momentum`"),
        ("schedule={type: one_cycle, momentum: [0.95, 0.85]}", "expected the lowest and then the highest"),
        ("{schedule: {type: one_cycle, momentum: [0.8, 0.9]}, optimizer: {type: lion}}", "`lion` has no momentum"),
        (
            "{schedule: {type: one_cycle, momentum: [0.8, 0.9]}, optimizer: {beta_1: 0.9}}",
            "train.optimizer.beta_1: given beside `train.schedule.momentum`",
        ),
        ("weight_decay_on=all", "train.weight_decay_on: has no effect without `train.optimizer.weight_decay`"),
        (
            "{averaging: {type: swa, learning_rate: 0.1}, reduce_on_plateau: {}}",
            "nothing else moves; `averaging.learning_rate` does",
        ),
        ("{epochs: 4, on_sick: repair}", "trainings of fewer than 5 epochs are not judged. Received: 4 epochs"),
        ("{epochs: 9, stop_after_epochs: 3, on_sick: repair}", "are not judged. Received: 3 epochs"),
        (
            "{strategy: mirrored, on_sick: repair}",
            "`repair` needs a diagnosis, which looks at one device",
        ),
        ("clip={}", "train.clip: expected one of value, norm, global_norm. Received: none of them"),
        ("clip={value: 1.0, norm: 1.0}", "train.clip: expected one of value, norm, global_norm. Received: value, norm"),
        ("{clip: {value: 1.0}, optimizer: {clipnorm: 1.0}}", "train.optimizer.clipnorm: given beside `train.clip`"),
        (
            "loss={type: categorical_focal_crossentropy, gama: 3.0}",
            "train.loss.gama: categorical_focal_crossentropy takes",
        ),
        ("loss={type: sparse_categorical_crossentropy, from_logits: true}", "takes no such argument. It takes: none"),
        ("loss=huber", "train.loss: expected one of auto, sparse_categorical_crossentropy"),
        (
            "{loss: {type: categorical_crossentropy, label_smoothing: 0.1}, label_smoothing: 0.1}",
            "train.label_smoothing: given beside that of `train.loss`",
        ),
        ("class_weights={3: -1.0}", "train.class_weights.3: expected a number of 0 or more. Received: -1.0"),
        ("class_weights=equal", "train.class_weights: expected `balanced` or a mapping"),
        ("metrics=[acuracy]", "Received: 'acuracy'. Did you mean `accuracy`?"),
        ("metrics=[rmse]", "train.metrics.0: expected one of accuracy, top_k_categorical_accuracy"),
        ("metrics=[{type: auc, name: mine}]", "train.metrics.0.name: auc takes no such argument"),
        ("metrics=[auc, {type: auc, curve: PR}]", "train.metrics.1: `auc` is named twice"),
        ("metrics=[{type: f1_score, average: null}]", "train.metrics.0.average: expected macro, micro or weighted"),
        ("{metrics: [auc], early_stopping: {monitor: val_accuracy}}", "expected one of loss, auc, val_loss, val_auc"),
        ("{averaging: {type: swa}, early_stopping: {}}", "train.early_stopping: keeps one epoch's weights"),
        ("averaging={type: swa, start: 0.99}", "expected to leave two or more of 20 epochs to average. Received: 0.99"),
    ],
)
def test_a_contradiction_is_refused_with_its_reason(override: str, said: str) -> None:
    key = "train=" if override.startswith("{") else "train."
    with pytest.raises(RecipeError) as caught:
        load_recipe(BARE, [key + override])
    assert said in str(caught.value)


def test_rare_classes_are_balanced_once() -> None:
    with pytest.raises(RecipeError, match="counts rare classes twice; keep one"):
        load_recipe(BARE, ["data.sampling=balanced", "train.class_weights=balanced"])


@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_class_weights_need_classes_that_exclude_each_other(task: str) -> None:
    section = TrainConfig(class_weights="balanced")
    assert [problem.key for problem in check_training(section, task)] == ["train.class_weights"]


def test_label_smoothing_needs_classes() -> None:
    section = TrainConfig(label_smoothing=0.1)
    assert [problem.key for problem in check_training(section, "regression")] == ["train.label_smoothing"]
    assert not list(check_training(section, None))


@pytest.mark.parametrize(
    "train",
    [
        "{schedule: {type: step, every_steps: 100}}",
        "{schedule: {type: cosine_restarts, first_epochs: 2}}",
        "{schedule: {type: one_cycle}}",
        "{schedule: {type: one_cycle, momentum: [0.85, 0.95]}, optimizer: {type: sgd, nesterov: true}}",
        "{weight_decay_on: all, optimizer: {type: adamw}}",
        "{clip: {global_norm: 1.0}, accumulate_steps: 4, sam: {}, averaging: {type: ema}}",
        "{averaging: {type: swa, start: 0.5, learning_rate: 0.02}}",
        "{loss: {type: categorical_focal_crossentropy, gamma: 3.0}, label_smoothing: 0.1, class_weights: {3: 2.0}}",
        "{metrics: [accuracy, {type: f1_score, average: micro}], early_stopping: {monitor: val_f1_score}}",
        "{reduce_on_plateau: {patience: 3}, early_stopping: {patience: 10}}",
    ],
)
def test_a_technique_loads_and_is_the_same_when_shown(train: str, tmp_path) -> None:
    recipe = load_recipe(BARE, [f"train={train}"])
    path = tmp_path / "shown.yaml"
    path.write_text(dump_recipe(recipe), encoding="utf-8")
    assert load_recipe(path) == recipe
