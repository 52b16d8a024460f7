"""Whether a training may take a mixed dtype policy: the same steps in float32 and in it, paired."""
# ruff: noqa: ARG002  (Keras hands all arguments to each method, by name)

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.compute.cost import cost
from pipeline.compute.timing import NUM_WARMUP, StepTime, StepTimer
from pipeline.figures import QUIET, TRAIN, VALIDATION, figure, save
from pipeline.training.assemble import Assembled

LOST_SHARE = 0.02
"""How much of the fall of the loss in float32 the mixed policy may miss."""

SKIPPED_SHARE = 0.05
"""How many steps may be skipped: a few are, while the scale of the loss is being found."""

SPEED_GAINED = 1.1
"""How much faster it must be to be worth it."""


@dataclass(frozen=True)
class Trial:
    """Some steps under one policy."""

    policy: str
    losses: np.ndarray
    """Loss of each batch, float64 (steps,)."""
    step: StepTime
    memory_bytes: int
    """Memory of a step, as `Cost.memory_bytes` counts it."""
    skipped_steps: int
    """Steps whose gradients were no numbers under the scaled loss, so that no weight moved."""
    non_finite: tuple[str, ...]
    """Layers whose outputs are no numbers for a batch after the last step."""


@dataclass(frozen=True)
class Qualification:
    """A policy beside float32."""

    plain: Trial
    mixed: Trial

    @property
    def speed(self) -> float:
        """How many steps the mixed policy takes in the time of one in float32."""
        return self.plain.step.median / self.mixed.step.median

    @property
    def lost_share(self) -> float:
        """How much of the fall of the loss in float32 the mixed policy missed; negative: it fell further.

        The fall is from the mean of the first tenth of the steps to the mean of the last quarter.
        """
        count = len(self.plain.losses)
        last = slice(-max(count // 4, 1), None)
        end = self.plain.losses[last].mean()
        fall = self.plain.losses[: max(count // 10, 1)].mean() - end
        return float((self.mixed.losses[last].mean() - end) / max(abs(fall), keras.config.epsilon()))

    @property
    def objections(self) -> list[str]:
        """What speaks against the mixed policy, in words."""
        found = []
        if self.mixed.non_finite:
            found.append(f"outputs that are no numbers in {', '.join(self.mixed.non_finite)}")
        if not np.isfinite(self.mixed.losses).all():
            found.append("losses that are no numbers")
        elif self.lost_share > LOST_SHARE:
            found.append(f"the loss falls {self.lost_share:.1%} less than in float32 (at most {LOST_SHARE:.0%})")
        share = self.mixed.skipped_steps / len(self.mixed.losses)
        if share > SKIPPED_SHARE:
            found.append(f"{share:.0%} of the steps are skipped (at most {SKIPPED_SHARE:.0%})")
        if self.speed < SPEED_GAINED:
            found.append(f"{self.speed:.2f} times the speed of float32 (at least {SPEED_GAINED})")
        return found

    @property
    def verdict(self) -> str:
        """Adopt or not, and why, in one line."""
        if self.objections:
            return f"keep float32: {'; '.join(self.objections)}"
        return (
            f"adopt train.precision={self.mixed.policy}: {self.speed:.2f} times the speed, the loss falls as in float32"
        )

    def report(self) -> dict[str, Any]:
        """All numbers, as JSON can hold them."""
        trials = {
            trial.policy: {
                "step_secs": trial.step.median,
                "memory_bytes": trial.memory_bytes,
                "skipped_steps": trial.skipped_steps,
                "non_finite": list(trial.non_finite),
                "losses": [float(loss) if np.isfinite(loss) else None for loss in trial.losses],
            }
            for trial in (self.plain, self.mixed)
        }
        return {"verdict": self.verdict, "speed": self.speed, "trials": trials}

    def draw(self, path: Path) -> None:
        """Draws both loss curves, and their difference step by step, to a PNG."""
        drawn, (curves, differences) = figure(columns=2)
        for trial, color in ((self.plain, TRAIN), (self.mixed, VALIDATION)):
            curves.plot(trial.losses, color=color, label=trial.policy, linewidth=1)
        curves.set(title="loss", xlabel="step")
        curves.legend(frameon=False)
        differences.axhline(0, color=QUIET, linestyle=":")
        differences.plot(self.mixed.losses - self.plain.losses, color=VALIDATION, linewidth=1)
        differences.set(title=f"{self.mixed.policy} - {self.plain.policy}", xlabel="step")
        save(drawn, path)


def qualify(assembled: Callable[[str], Assembled], policy: str, num_steps: int) -> Qualification:
    """Trains the same steps twice, from the same weights on the same batches.

    Args:
        assembled: Assembles the training under a dtype policy; equal weights and batches under each.
        policy: The mixed policy.
        num_steps: Steps of each; more than are left out while the clock warms up.
    """
    return Qualification(*(_try(assembled(each), num_steps) for each in ("float32", policy)))


class StepLosses(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the loss of each single batch.

    Attributes:
        losses: By step.
    """

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Makes the mean of the epoch that of the one batch to come."""
        self.model.reset_metrics()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Takes the loss of the batch."""
        self.losses.append(float((logs or {})["loss"]))


def _try(assembled: Assembled, num_steps: int) -> Trial:
    learner, training = assembled.learner, assembled.training
    losses, timer = StepLosses(), StepTimer()
    counted = cost(learner)
    learner.fit(
        training.dataset(num_steps=num_steps),
        steps_per_epoch=num_steps,
        class_weight=assembled.class_weights,
        callbacks=[losses, timer],
        shuffle=False,
        verbose=0,
    )
    return Trial(
        policy=assembled.policy,
        losses=np.array(losses.losses),
        step=StepTime(np.diff(timer.ends)[NUM_WARMUP - 1 :]),
        memory_bytes=counted.memory_bytes(training.batch_size),
        skipped_steps=num_steps - int(learner.optimizer.iterations),
        non_finite=_non_finite(assembled.network, training.batch(0, 0)[0]),
    )


def _non_finite(network: keras.Model, inputs: dict[str, tf.Tensor]) -> tuple[str, ...]:
    """Names of the layers whose outputs for a batch are not all numbers."""
    outputs: dict[str, Any] = {}

    def call(layer: keras.Layer, *arguments: Any, **options: Any) -> Any:
        outputs[layer.name] = layer(*arguments, **options)
        return outputs[layer.name]

    # The copy is of a model that is not compiled: metrics and optimiser need not be copied.
    same = keras.models.clone_model(
        keras.Model(network.input, network.output), clone_function=lambda layer: layer, call_function=call
    )
    values = keras.Model(same.input, outputs)(inputs, training=False)
    return tuple(name for name, value in values.items() if not _is_finite(value))


def _is_finite(value: Any) -> bool:
    """Whether all that a layer gives are numbers."""
    floats = [tensor for tensor in keras.tree.flatten(value) if tensor.dtype.is_floating]
    return all(bool(tf.reduce_all(tf.math.is_finite(tensor))) for tensor in floats)
