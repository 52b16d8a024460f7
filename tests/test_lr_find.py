"""The range test: its two rules on curves made up, its run on real data, the command."""

from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pipeline.cli import main
from pipeline.errors import UserError
from pipeline.lr_find import HIGHEST, LOWEST, MEMORY, BatchLosses, RangeTest, range_test
from pipeline.recipe.load import load_recipe
from pipeline.tracking import open_store
from pipeline.training.assemble import Assembled, assemble
from pipeline.training.setup import TrainingSetup
from tests.small_runs import Stages, model, train_section

RATES = np.logspace(-4, 0, 9)


def test_steepest_is_where_the_loss_falls_fastest() -> None:
    assert RangeTest(RATES, np.array([9, 9, 8, 7, 4, 1, 0, 0, 5.0])).steepest == pytest.approx(1e-2)


def test_valley_is_the_middle_of_the_longest_descent_whatever_single_steps_do() -> None:
    found = RangeTest(RATES, np.array([9, 8, 7, 7.5, 6, 5, 5.5, 9, 20.0]))
    assert found.valley == pytest.approx(RATES[2])
    assert RangeTest(RATES, np.array([1, 2, 3, 9, 8, 7, 6, 5, 9.0])).valley == pytest.approx(RATES[5])


def test_the_suggestion_is_the_valley_in_two_digits() -> None:
    assert RangeTest(RATES, np.array([9, 8, 7, 6, 5, 5.5, 5.5, 9, 20.0])).suggestion == 0.001
    assert RangeTest(RATES * 1.2345, np.array([9, 8, 7, 6, 5, 5.5, 5.5, 9, 20.0])).suggestion == 0.0012


def test_losses_are_smoothed_without_bias_and_the_test_ends_where_they_diverge() -> None:
    record = BatchLosses()
    record.set_model(keras.Sequential())
    for batch, loss in enumerate([2.0, 1.0]):
        record.on_train_batch_end(batch, {"loss": loss})
    assert record.smoothed == pytest.approx([2.0, (MEMORY * 2 + 1) / (MEMORY + 1)])
    assert not record.model.stop_training
    record.on_train_batch_end(2, {"loss": 100.0})
    assert record.model.stop_training
    assert len(record.smoothed) == 3
    record.on_train_batch_end(3, {"loss": float("nan")})
    assert len(record.smoothed) == 3


def assembled(digits: Stages, seed: int = 1, **section: object) -> Assembled:
    network = model(type="mlp", units=[16], dropout=0.2)
    setup = TrainingSetup(
        section=train_section(**section), model=network, batch_size=32, seed=seed, prepared=digits.prepared
    )
    return assemble(setup)


def test_the_rate_grows_evenly_from_the_lowest_to_the_highest(digits: Stages) -> None:
    training = assembled(digits)
    found = range_test(training, num_steps=40)
    assert np.diff(np.log(found.rates)) == pytest.approx(np.log(HIGHEST / LOWEST) / 39)
    used = len(found.rates)
    assert found.rates[0] == LOWEST
    assert 20 < used <= 40
    # The optimiser's rate is that of the step to come.
    following = LOWEST * (HIGHEST / LOWEST) ** (int(training.learner.optimizer.iterations) / 39)
    assert float(training.learner.optimizer.learning_rate) == pytest.approx(following, rel=1e-4)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_curve_and_another_does_not(digits: Stages) -> None:
    first, second, other = [range_test(assembled(digits, seed), num_steps=40).losses for seed in (1, 1, 2)]
    assert first.tolist() == second.tolist() != other.tolist()


@pytest.mark.slow
def test_it_finds_a_rate_that_trains_whatever_the_schedule_and_the_techniques(digits: Stages) -> None:
    plain = range_test(assembled(digits)).suggestion
    assert 1e-4 < plain < 1
    training = assembled(
        digits,
        schedule={"type": "one_cycle"},
        precision="mixed_float16",
        sam={},
        class_weights="balanced",
        averaging={"type": "ema"},
    )
    assert 1e-4 < range_test(training).suggestion < 1


def test_a_loss_that_falls_nowhere_is_a_user_error(digits: Stages) -> None:
    training = assembled(digits)
    training.learner.layers[-1].kernel.assign(np.full((16, 10), np.nan))
    with pytest.raises(UserError, match="lr-find: expected a loss that falls at some rate"):
        range_test(training)


@pytest.mark.slow
def test_the_command_prints_draws_logs_and_writes(here: Path) -> None:
    arguments = ["lr-find", "digits", "tracking.system_metrics=false", "model.units=16", "--steps", "60"]
    done = CliRunner().invoke(main, [*arguments, "--write", "mine.yaml"], catch_exceptions=False)
    override = next(line.split()[-1] for line in done.output.splitlines() if line.startswith("suggests"))
    written = load_recipe(here / "mine.yaml")
    assert written == load_recipe("digits", ["tracking.system_metrics=false", "model.units=16", override])
    with Image.open(here / "lr_find.png") as picture:
        assert picture.format == "PNG"
    client = open_store(written.tracking.uri, here, create=False).client
    run_id = done.output.split("to run ")[1].split()[0]
    assert [file.path for file in client.list_artifacts(run_id, "lr_find")] == ["lr_find/lr_find.png"]
    assert client.get_run(run_id).info.status == "FINISHED"
    again = CliRunner().invoke(main, [*arguments, "--write", "mine.yaml"])
    assert again.exit_code == 2
    assert "expected a file that is not there yet" in again.output
