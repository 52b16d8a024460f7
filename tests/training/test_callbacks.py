"""What watches a training."""

from types import SimpleNamespace

from pipeline.training.callbacks import ProgressBar


def test_the_bar_counts_examples_and_shows_loss_and_metrics_of_both_splits():
    moves = []
    bar = ProgressBar(
        lambda count, **shown: moves.append((count, shown)), SimpleNamespace(batch_size=2, num_examples=3)
    )
    bar.on_epoch_begin(0)
    bar.on_train_batch_end(0, {"loss": 0.5, "accuracy": 0.25})
    bar.on_epoch_end(0, {"loss": 0.5, "accuracy": 0.25, "val_accuracy": 0.75})
    bar.on_train_batch_end(1, {"loss": 0.25, "accuracy": 0.5})
    assert moves == [
        (2, {"loss": 0.5, "accuracy": 0.25}),
        (1, {"loss": 0.25, "accuracy": 0.5, "val_accuracy": 0.75}),
    ]
