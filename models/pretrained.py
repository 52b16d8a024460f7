"""Layers around a pretrained network, registered so that a saved network finds them where this module is imported."""

from types import ModuleType
from typing import Any

import keras


@keras.saving.register_keras_serializable("plumbline")
class Pretrained(keras.layers.Layer):  # type: ignore[misc]
    """A network that always runs in inference mode: batch norm by its moving statistics, no dropout, no noise.

    As Keras's guide to transfer learning asks, in fine-tuning too. `network(x, training=False)` in a functional model
    does not do it: Keras 3.15 replaces the argument by the mode of the outer model.

    Args:
        network: Its weights are those of this layer.
    """

    def __init__(self, network: keras.Model, **kwargs: Any):
        super().__init__(**kwargs)
        self.network = network

    def build(self, input_shape: Any) -> None:
        """Has nothing to make: the network comes built."""

    def call(self, inputs: Any) -> Any:
        """What the network gives."""
        return self.network(inputs, training=False)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the layer."""
        return {**super().get_config(), "network": keras.saving.serialize_keras_object(self.network)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Pretrained":
        """Builds the layer from what `get_config` returned."""
        return cls(**{**config, "network": keras.saving.deserialize_keras_object(config["network"])})


@keras.saving.register_keras_serializable("plumbline")
class ApplicationInput(keras.layers.Layer):  # type: ignore[misc]
    """Scales images in [0, 255] as a network of `keras.applications` was trained with: its own `preprocess_input`.

    Args:
        application: Name of the network, such as `MobileNetV2`.
    """

    def __init__(self, application: str, **kwargs: Any):
        super().__init__(**kwargs)
        self.application = application
        self._module = application_module(application)

    def call(self, inputs: Any) -> Any:
        """float32 `(batch, height, width, 3)` to the same shape."""
        return self._module.preprocess_input(inputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The same."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Arguments of the layer."""
        return {**super().get_config(), "application": self.application}


def application_module(name: str) -> ModuleType:
    """Finds the module of `keras.applications` that has a network and its `preprocess_input`.

    Raises:
        ValueError: If Keras has no such network; the message lists those that it has.
    """
    modules = {
        found: module
        for module in vars(keras.applications).values()
        if isinstance(module, ModuleType) and hasattr(module, "preprocess_input")
        for found in vars(module)
        if found[0].isupper() and found in vars(keras.applications)
    }
    if name not in modules:
        raise ValueError(f"expected one of {', '.join(sorted(modules))}. Received: {name!r}")
    return modules[name]
