"""The steps of an epoch, watched from outside `fit`."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.diagnosis import Diagnosis
from pipeline.diagnosis.steps import StepWatch

X, Y = np.zeros((16, 2), "float32"), np.zeros((16, 1), "float32")


@pytest.mark.slow
@pytest.mark.parametrize(("batch_secs", "step_secs", "waits"), [(0.03, 0.0, True), (0.0, 0.1, False)])
def test_a_training_is_input_bound_where_batches_take_longer_than_steps(
    batch_secs: float, step_secs: float, waits: bool
) -> None:
    def slow(x: np.ndarray) -> np.ndarray:
        time.sleep(batch_secs)
        return x

    def batch(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # Another test may have asked for deterministic operations: then nothing is prefetched behind Python functions.
        return (tf.ensure_shape(tf.numpy_function(slow, [x], tf.float32), (4, 2)) if batch_secs else x), y

    class Work(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            time.sleep(step_secs)

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    diagnosis = Diagnosis(X, Y)
    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4).repeat().map(batch).prefetch(1)
    model.make_train_function()
    step = model.train_function
    model.fit(batches, steps_per_epoch=12, epochs=5, shuffle=False, verbose=0, callbacks=[Work(), diagnosis])
    shares = np.array([epoch.wait_share for epoch in diagnosis.signals.epochs])
    assert list(np.isnan(shares)) == [True, False, False, False, False]
    assert (np.nanmean(shares) >= 0.75) == waits
    severities = {finding.symptom: finding.severity for finding in diagnosis.findings}
    assert severities.get("input_bound") == ("note" if waits else None)
    assert model.train_function is step
    assert diagnosis.signals.epochs[-1].step_secs >= batch_secs + step_secs * 11 / 12


def test_an_interrupted_epoch_does_not_leave_the_step_watched_twice() -> None:
    class Interrupt(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            if self.model.optimizer.iterations >= 6:
                raise KeyboardInterrupt

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.make_train_function()
    step = model.train_function
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_size=4, epochs=3, shuffle=False, verbose=0, callbacks=[Interrupt(), Diagnosis(X, Y)])
    assert model.train_function is not step
    model.fit(X, Y, batch_size=4, epochs=3, shuffle=False, verbose=0, callbacks=[Diagnosis(X, Y)])
    assert model.train_function is step


def test_a_model_that_another_loop_trains_or_that_is_compiled_anew_keeps_its_step() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    watch = StepWatch(model, 4)
    watch.begin()
    assert np.isnan(watch.end()).all()
    assert model.train_function is None
    model.make_train_function()
    watch.begin()
    model.make_train_function(force=True)
    step = model.train_function
    watch.end()
    assert model.train_function is step


def test_a_step_is_one_batch_where_several_are_executed_at_once() -> None:
    class Slow(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            time.sleep(0.2)

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", steps_per_execution=3)
    diagnosis = Diagnosis(X, Y)
    model.fit(X[:10], Y[:10], batch_size=1, epochs=5, shuffle=False, verbose=0, callbacks=[Slow(), diagnosis])
    # Four calls for ten steps: three pauses lie between them.
    assert 0.06 <= diagnosis.signals.epochs[-1].step_secs < 0.12
