"""What `plumbline plan` says: parameters, arithmetic, memory, time and disk of a training that has not run."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.compute.cost import Cost, cost
from pipeline.compute.memory import peak_bytes
from pipeline.compute.timing import StepTime, time_training, time_validation
from pipeline.training.assemble import Assembled


@dataclass(frozen=True)
class Estimate:
    """What a training will cost on this machine."""

    cost: Cost
    policy: str
    """Keras dtype policy."""
    batch_size: int
    epochs: int
    """The most that will run; early stopping may end it sooner."""
    steps_per_epoch: int
    validation_steps: int
    training_step: StepTime
    validation_step: StepTime
    peak_bytes: int
    """The most memory that was taken until the measured steps had ended, libraries included."""
    data_bytes: int
    """What collect and preprocess have written."""

    @property
    def network_bytes(self) -> int:
        """What is written for the weights: by train, and once more where the model is registered."""
        return 2 * self.cost.parameter_bytes

    @property
    def epoch_secs(self) -> float:
        """Expected time of an epoch with its validation, at the typical step."""
        return self._epoch_secs(self.training_step.median, self.validation_step.median)

    @property
    def epoch_interval_secs(self) -> tuple[float, float]:
        """The epoch if every step were as fast, and as slow, as the bounds that nine of ten steps lie in."""
        bounds = zip(self.training_step.interval, self.validation_step.interval, strict=True)
        low, high = (self._epoch_secs(*steps) for steps in bounds)
        return low, high

    @property
    def flops_per_sec(self) -> float:
        """Arithmetic of training in a second: forward and backward pass, three times the forward one."""
        return 3 * self.cost.flops * self.batch_size / self.training_step.median

    def _epoch_secs(self, training_step: float, validation_step: float) -> float:
        return self.steps_per_epoch * training_step + self.validation_steps * validation_step


def estimate(assembled: Assembled, folders: list[Path]) -> Estimate:
    """Counts what can be counted and measures a few steps; the weights are of no use afterwards.

    Args:
        assembled: The training.
        folders: What collect and preprocess wrote.
    """
    counted = cost(assembled.learner)
    return Estimate(
        cost=counted,
        policy=assembled.policy,
        batch_size=assembled.training.batch_size,
        epochs=assembled.section.epochs,
        steps_per_epoch=assembled.training.steps_per_epoch,
        validation_steps=assembled.validation.steps_per_epoch,
        training_step=time_training(assembled),
        validation_step=time_validation(assembled),
        peak_bytes=peak_bytes(),
        data_bytes=sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file()),
    )
