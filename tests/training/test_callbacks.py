"""What watches a training."""

from types import SimpleNamespace

import pytest

from pipeline.training.callbacks import FiniteLoss, NonFiniteLossError, ProgressBar


def test_the_bar_counts_examples_and_shows_loss_and_metrics_of_both_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 0.05, 0.11, 0.11, 0.15, 0.15, 0.3, 0.3])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    moves = []
    bar = ProgressBar(
        lambda count, **shown: moves.append((count, shown)), SimpleNamespace(batch_size=2, num_examples=7)
    )
    bar.on_epoch_begin(0)
    bar.on_train_batch_end(0, {"loss": 0.5})
    bar.on_train_batch_end(1, {"loss": 0.25})  # too soon to be drawn
    bar.on_train_batch_end(2, {"loss": 0.125})
    bar.on_train_batch_end(3, {"loss": 0.1})
    bar.on_epoch_end(0, {"loss": 0.1, "val_loss": 0.75})
    bar.on_epoch_begin(1)
    bar.on_train_batch_end(0, {"loss": 0.05})
    assert moves == [
        (2, {"loss": 0.5}),
        (4, {"loss": 0.125}),
        (1, {"loss": 0.1, "val_loss": 0.75}),
        (2, {"loss": 0.05, "val_loss": 0.75}),
    ]


def test_a_loss_that_is_looked_at_later_is_named_by_the_step_at_which_it_was_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 1.0)
    finite = FiniteLoss()
    finite.on_epoch_begin(3)
    for step, loss in enumerate([0.5, 0.4, float("inf"), float("nan")]):
        finite.on_train_batch_end(step, {"loss": loss})
    with pytest.raises(NonFiniteLossError, match="loss became inf in epoch 3, step 2"):
        finite.look()
