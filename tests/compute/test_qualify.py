"""Mixed precision beside float32: the same start, the same batches, and a verdict that follows from both."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pipeline.cli import main
from pipeline.compute.qualify import Qualification, Trial, qualify
from pipeline.compute.timing import StepTime
from pipeline.tracking import open_store
from pipeline.training.assemble import Assembled
from tests.compute.test_estimate import assembled
from tests.small_runs import Stages


def trial(policy: str = "mixed_float16", *, end: float = 0.1, secs: float = 1.0, skipped: int = 0) -> Trial:
    return Trial(policy, np.linspace(2.1, end, 100), StepTime(np.full(20, secs)), 1, skipped, ())


PLAIN = trial("float32")


@pytest.mark.slow
def test_both_start_from_the_same_weights_and_see_the_same_batches(digits: Stages) -> None:
    found = qualify(lambda policy: assembled(digits.prepared, precision=policy), "mixed_bfloat16", 30)
    again = qualify(lambda policy: assembled(digits.prepared, precision=policy), "mixed_bfloat16", 30)
    assert found.plain.losses[0] == pytest.approx(found.mixed.losses[0], rel=0.02)
    assert (found.plain.losses != found.mixed.losses).any()
    np.testing.assert_allclose(found.plain.losses, found.mixed.losses, rtol=0.2)
    np.testing.assert_array_equal(found.mixed.losses, again.mixed.losses)
    assert found.mixed.memory_bytes < found.plain.memory_bytes
    assert found.mixed.step.secs.shape == (25,)
    assert (found.mixed.skipped_steps, found.mixed.non_finite) == (0, ())


@pytest.mark.slow
def test_steps_whose_scaled_gradients_overflow_are_counted(digits: Stages) -> None:
    def scaled(policy: str) -> Assembled:
        training = assembled(digits.prepared, precision=policy)
        if policy == "mixed_float16":
            training.learner.optimizer.build(training.network.trainable_variables)
            training.learner.optimizer.dynamic_scale.assign(2.0**30)
        return training

    mixed = qualify(scaled, "mixed_float16", 20).mixed
    assert 0 < mixed.skipped_steps < 20


def test_layers_that_overflow_in_16_bits_are_named(digits: Stages) -> None:
    def huge(policy: str) -> Assembled:
        training = assembled(digits.prepared, precision=policy, optimizer={"type": "sgd", "learning_rate": 1e-9})
        next(layer for layer in training.network.layers if layer.name.startswith("dense")).kernel.assign_add(
            np.full((64, 16), 1e5, np.float32)
        )
        return training

    found = qualify(huge, "mixed_float16", 10)
    assert found.plain.non_finite == ()
    assert any(name.startswith("dense") for name in found.mixed.non_finite)
    assert found.verdict.startswith("keep float32: outputs that are no numbers in dense")


@pytest.mark.parametrize(
    ("mixed", "verdict"),
    [
        (trial(secs=0.5), "adopt train.precision=mixed_float16: 2.00 times the speed"),
        (trial(secs=0.95), "keep float32: 1.05 times the speed of float32"),
        (trial(secs=0.5, end=0.5), r"keep float32: the loss falls .*% less than in float32"),
        (trial(secs=0.5, end=np.nan), "keep float32: losses that are no numbers"),
        (trial(secs=0.5, skipped=10), "keep float32: 10% of the steps are skipped"),
        (dataclasses.replace(trial(secs=0.5), non_finite=("dense",)), "keep float32: .* no numbers in dense"),
    ],
)
def test_the_verdict_follows_from_speed_loss_and_skipped_steps(mixed: Trial, verdict: str) -> None:
    assert re.match(verdict, Qualification(PLAIN, mixed).verdict)


def test_the_share_lost_is_of_the_fall_of_the_loss() -> None:
    half = Trial("mixed_float16", np.linspace(2.1, 1.1, 100), PLAIN.step, 1, 0, ())
    assert Qualification(PLAIN, half).lost_share == pytest.approx(0.5, abs=0.06)
    assert Qualification(PLAIN, PLAIN).lost_share == 0


def test_the_curves_are_drawn(tmp_path: Path) -> None:
    Qualification(PLAIN, trial(end=0.2)).draw(tmp_path / "qualify.png")
    with Image.open(tmp_path / "qualify.png") as picture:
        assert picture.width > picture.height


@pytest.mark.slow
def test_the_command_logs_curves_and_numbers_to_a_run_of_its_own(here: Path) -> None:
    arguments = ["qualify", "digits", "model={type: mlp, units: [16]}", "--steps", "20", "--policy", "mixed_bfloat16"]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    verdict, wrote = done.output.strip().splitlines()[-2:]
    assert verdict.startswith(("adopt train.precision=mixed_bfloat16", "keep float32: "))
    client = open_store("sqlite:///mlruns/mlflow.db", here).client
    run_id = wrote.split()[-1]
    assert client.get_run(run_id).data.tags["mlflow.runName"] == "digits qualify"
    found = client.download_artifacts(run_id, "qualify", str(here))
    report = json.loads((Path(found) / "qualify.json").read_text())
    assert report["verdict"] == verdict
    assert [len(trial["losses"]) for trial in report["trials"].values()] == [20, 20]
    assert (Path(found) / "qualify.png").read_bytes() == (here / "qualify.png").read_bytes()
