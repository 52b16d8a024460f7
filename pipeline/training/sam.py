"""Sharpness-aware minimisation as a training step of Keras: Foret et al. 2021, https://arxiv.org/abs/2010.01412."""

from typing import Any

import keras
import tensorflow as tf


class SharpnessAware(keras.Model):  # type: ignore[misc]
    """A network trained by the gradient at the worst point nearby; the network itself stays a plain Keras model.

    The worst point is, to first order, `weights + rho * gradient / |gradient|`. Both passes of a step see the same
    dropout masks, and batch statistics are those of the pass with the weights as they are, as are loss and metrics.

    Args:
        network: Functional; its layers, and so its weights, are shared.
        rho: L2 norm of the way to the worst point.
    """

    def __init__(self, network: keras.Model, rho: float):
        super().__init__(network.input, network.output, name=network.name)
        self._rho = rho

    def train_step(self, data: Any) -> dict[str, Any]:
        """Updates the weights once; takes a batch as `keras.Model.train_step` does and returns its metrics."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        state_before = self._state()
        loss, outputs, gradients = self._gradients(x, y, sample_weight)
        state_after = self._state()
        weights = [tf.identity(variable.value) for variable in self.trainable_variables]

        # Scaled losses have scaled gradients: the division takes the scale out.
        scale = self._rho / (tf.linalg.global_norm(gradients) + keras.config.epsilon())
        for variable, gradient in zip(self.trainable_variables, gradients, strict=True):
            variable.assign_add(tf.cast(gradient * scale, variable.dtype))
        self._assign(self.non_trainable_variables, state_before)
        _, _, gradients = self._gradients(x, y, sample_weight)

        self._assign(self.trainable_variables, weights)
        self._assign(self.non_trainable_variables, state_after)
        self.optimizer.apply(gradients, self.trainable_variables)
        self._loss_tracker.update_state(loss, sample_weight=tf.shape(keras.tree.flatten(x)[0])[0])
        metrics: dict[str, Any] = self.compute_metrics(x, y, outputs, sample_weight)
        return metrics

    def _gradients(self, x: Any, y: Any, sample_weight: Any) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """Loss, outputs, and the gradients of the scaled loss."""
        with tf.GradientTape() as tape:
            outputs = self(x, training=True)
            loss = self.compute_loss(x, y, outputs, sample_weight, training=True)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, [variable.value for variable in self.trainable_variables])
        return loss, outputs, [tf.convert_to_tensor(gradient) for gradient in gradients]

    def _state(self) -> list[tf.Tensor]:
        """What a pass changes beside the weights: batch statistics and the seeds of dropout."""
        return [tf.identity(variable.value) for variable in self.non_trainable_variables]

    @staticmethod
    def _assign(variables: list[keras.Variable], values: list[tf.Tensor]) -> None:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
