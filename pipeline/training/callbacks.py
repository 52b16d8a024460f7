"""What watches a training while the step loop runs it."""
# ruff: noqa: ARG002  (Keras hands all arguments to each method, by name)

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras

from pipeline.batches import Batches
from pipeline.errors import UserError
from pipeline.journal import Journal

Epoch = dict[str, Any]
"""One line of the history: `epoch` from 0, the values of that epoch by their Keras names, the learning rate."""


LOOK_SECS = 0.1
"""Time between two looks at the values of a step, which wait for the device."""


class NonFiniteLossError(UserError):
    """The loss became NaN or infinite: a matter of the recipe, which the message says how to mend."""


class FiniteLoss(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends a training whose loss is no number any more, before anything of it is validated or saved.

    It looks a few times a second, and names the step at which it happened all the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self._unseen: list[tuple[int, Any]] = []
        self._next_look = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remembers the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Keeps the mean loss of the epoch so far, and looks where it is time to."""
        self._unseen.append((batch, (logs or {})["loss"]))
        if time.monotonic() >= self._next_look:
            self.look()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Looks at the steps of the epoch that were not seen yet."""
        self.look()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the validation loss."""
        self._check("val_loss", (logs or {})["val_loss"], "validation")

    def look(self) -> None:
        """Looks at all steps that were not seen yet.

        Raises:
            NonFiniteLossError: If the loss of one of them is no number; names the first.
        """
        # The mean of an epoch stays non-finite once a batch was: if the last one is a number, all are.
        if self._unseen and not math.isfinite(float(self._unseen[-1][1])):
            for batch, loss in self._unseen:
                self._check("loss", loss, f"step {batch}")
        self._unseen.clear()
        self._next_look = time.monotonic() + LOOK_SECS

    def _check(self, name: str, value: Any, where: str) -> None:
        if not math.isfinite(float(value)):
            raise NonFiniteLossError(
                f"{name} became {float(value)} in epoch {self.epoch}, {where}. "
                "Try a smaller train.optimizer.learning_rate, train.schedule.warmup_epochs, "
                "train.clip.global_norm, or train.precision: float32"
            )


class LossScale(keras.callbacks.Callback):  # type: ignore[misc]
    """Adds to the values of an epoch, under mixed_float16, the scale of the loss and how many steps were skipped.

    A step is skipped where the scaled gradients are no numbers; the scale is halved then, and doubled after 2,000
    steps in a row that are not. The optimiser counts only the steps that it takes.
    """

    state_fields = ("_taken", "_batches")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remembers how many steps the optimiser has taken."""
        self._taken = int(self.model.optimizer.iterations.numpy())
        self._batches = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the batches."""
        self._batches = batch + 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds `loss_scale`, and `skipped_steps` of this epoch, to the logs that the next callbacks are given."""
        optimizer = self.model.optimizer
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer) and logs is not None:
            logs["loss_scale"] = float(optimizer.dynamic_scale.numpy())
            logs["skipped_steps"] = self._batches - (int(optimizer.iterations.numpy()) - self._taken)


class EpochLog(keras.callbacks.Callback):  # type: ignore[misc]
    """Collects and records the values of each epoch.

    Args:
        journal: Gets the values of each epoch.
        num_examples: Training examples in an epoch.
    """

    state_fields = ("epochs", "_secs")

    def __init__(self, journal: Journal, num_examples: int):
        super().__init__()
        self.epochs: list[Epoch] = []
        self._journal = journal
        self._num_examples = num_examples
        self._secs: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock."""
        self._started, self._elapsed = time.perf_counter(), 0.0
        self._first: int | None = None

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes where in the epoch this process begins."""
        self._first = batch if self._first is None else self._first

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Reads the clock, so that the time of validation does not count."""
        self._elapsed = time.perf_counter() - self._started

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Records the epoch; the learning rate is that of the next step."""
        values = {name: float(value) for name, value in (logs or {}).items()}
        values["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        if self._first is not None:
            self._secs.append(self._elapsed / (1 - self._first / self.params["steps"]))
        self.epochs.append({"epoch": epoch, **values})
        self.record(self.epochs[-1:])

    def record(self, epochs: Sequence[Epoch]) -> None:
        """Tells the journal, which drops what it has."""
        for epoch in epochs:
            values = {name: value for name, value in epoch.items() if name != "epoch"}
            self._journal.log_metrics(values, step=epoch["epoch"])

    def examples_per_sec(self) -> float:
        """Training examples in a second of training, validation apart."""
        steady = self._secs[1:] or self._secs
        return self._num_examples * len(steady) / sum(steady) if steady else 0.0


class ProgressBar(keras.callbacks.Callback):  # type: ignore[misc]
    """Moves the bar by examples and shows the loss and the metrics beside it, and those of validation.

    It is moved no oftener than it is drawn, and at the end of an epoch.

    Args:
        advance: Moves the bar (`pipeline/progress.py`).
        training: Batches of the training split.
    """

    def __init__(self, advance: Callable[..., None], training: Batches):
        super().__init__()
        self._advance = advance
        self._training = training
        self._shown: dict[str, float] = {}
        self._moved = self._seen = 0
        self._next_move = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Begins to count anew."""
        self._moved = self._seen = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the examples up to the batch; where several steps are one call, those of all of them."""
        self._seen = min((batch + 1) * self._training.batch_size, self._training.num_examples)
        if time.monotonic() >= self._next_move:
            self._move(**{name: float(value) for name, value in (logs or {}).items()}, **self._shown)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Moves to the end of the epoch; takes over the values of validation."""
        self._shown = {name: value for name, value in (logs or {}).items() if name.startswith("val_")}
        self._move(**(logs or {}))

    def _move(self, **shown: float) -> None:
        self._advance(self._seen - self._moved, **shown)
        self._moved, self._next_move = self._seen, time.monotonic() + LOOK_SECS
