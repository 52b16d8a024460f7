"""Softmax and loss under mixed precision: in float32, of logits that 16 bits could not hold."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.serving.outputs import predictor
from tests.compute.test_estimate import assembled
from tests.small_runs import Stages

FAR = 1e6
"""Times as large as they start: logits beyond 65,504, the largest number of float16."""


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_logits_beyond_16_bits_have_the_cross_entropy_of_float64(digits: Stages, precision: str) -> None:
    training = assembled(digits.prepared, precision=precision)
    output = training.network.layers[-1]
    output.kernel.assign(output.kernel * FAR)
    inputs, labels = next(iter(training.training.dataset(num_steps=1)))
    computed = training.network(inputs)._keras_logits
    logits = computed.numpy().astype(np.float64)
    assert computed.dtype == tf.float32
    assert np.abs(logits).max() > 65504
    high = logits.max(axis=1)
    log_sums = high + np.log(np.exp(logits - high[:, None]).sum(axis=1))
    expected = np.mean(log_sums - logits[np.arange(len(labels)), labels])
    value = compiled_loss(training.learner, inputs, labels)
    assert value.dtype == tf.float32
    assert float(value) == pytest.approx(expected, rel=1e-6)


def compiled_loss(learner: Any, inputs: Any, labels: Any) -> tf.Tensor:
    """The loss of a batch, computed as a training step does."""

    @tf.function
    def step() -> tf.Tensor:
        return learner.compute_loss(inputs, labels, learner(inputs, training=True))

    return step()


def test_probabilities_add_up_to_one_in_float32(digits: Stages) -> None:
    network = assembled(digits.prepared, precision="mixed_bfloat16").network
    arrays = {"image": np.load(digits.prepared / "validation" / "image.npy")}
    np.testing.assert_allclose(predictor(network)(arrays).sum(axis=1), 1, atol=1e-6)
