"""Which layers a model calls, in order, and what each gives: seen from outside, whatever way the model was built."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf


@dataclass(frozen=True)
class Call:
    """One call of a layer while a graph was made."""

    layer: keras.Layer
    inputs: tuple[tf.Tensor, ...]
    output: tf.Tensor


@dataclass
class Block:
    """A layer with a kernel, and what follows it up to its activation: the unit that findings blame."""

    layer: keras.Layer
    output: tf.Tensor
    """What the layer gives, or its activation layer where it has one."""
    activations: list[str] = field(default_factory=list)
    """Names of the activations between this kernel and the next, in order; none: linear; `unknown`: of functions, which
    are no layers and are not seen."""
    activated: bool = False
    given: tf.Tensor | None = None
    """The input of the kernel."""

    @property
    def width(self) -> int:
        """Units or channels of the output; 0: unknown."""
        return int(self.output.shape[-1] or 0) if len(self.output.shape) else 0


@contextmanager
def recorded_calls(model: keras.Model) -> Iterator[list[Call]]:
    """Records the calls of all layers of `model`, nested and shared ones too, while it is called inside.

    Args:
        model: Functional, sequential or subclassed; built.

    Yields:
        The calls so far. Calls inside loops (cells of recurrent layers) are left out: their tensors cannot be read.
    """
    calls: list[Call] = []
    layers = [layer for layer in model._flatten_layers(include_self=False) if not isinstance(layer, keras.Model)]
    for layer in layers:
        layer.call = _recording(layer, layer.call, calls)
    try:
        yield calls
    finally:
        for layer in layers:
            del layer.call


def blocks(calls: Sequence[Call], outputs: Any) -> list[Block]:
    """Groups calls into blocks, in the order of the model.

    A layer without a kernel (activation, normalisation, dropout) belongs to the kernel whose output it is given, as
    long as it has no other input and keeps the shape. A shared layer is seen where it is called first.

    Args:
        calls: All calls of one pass.
        outputs: What the model gave.
    """
    found: list[Block] = []
    owner: dict[Any, Block] = {}
    for call in _innermost(calls):
        if has_kernel(call.layer):
            if all(block.layer is not call.layer for block in found):
                block = Block(call.layer, call.output, given=call.inputs[0] if call.inputs else None)
                _activate(block, call)
                found.append(block)
                owner[call.output.ref()] = block
        elif len(call.inputs) == 1 and call.inputs[0].ref() in owner and call.inputs[0].shape == call.output.shape:
            block = owner[call.inputs[0].ref()]
            _activate(block, call)
            owner[call.output.ref()] = block
    taken = {each.ref() for call in calls for each in call.inputs}
    taken |= {each.ref() for each in keras.tree.flatten(outputs)}
    for block in found:
        # What nothing takes on went through a function, such as `keras.ops.relu`.
        if not taken & {ref for ref, owning in owner.items() if owning is block}:
            block.activations.append("unknown")
    return found


def output_activation(calls: Sequence[Call], found: Sequence[Block], outputs: Any) -> str:
    """Names the last activation before the output, also where pooling lies between it and the last kernel.

    Args:
        calls: All calls of one pass.
        found: Their blocks.
        outputs: What the model gave.
    """
    last = next((call for call in reversed(calls) if call.output is outputs), None)
    if last is not None and not has_kernel(last.layer) and activation_of(last.layer) != "linear":
        return activation_of(last.layer)
    return (found[-1].activations or ["linear"])[-1] if found else "unknown"


def activation_of(layer: keras.Layer) -> str:
    """Names what a layer does to its values: a name of `keras.activations`, `linear` where it does nothing."""
    named = {
        keras.layers.ReLU: "relu",
        keras.layers.LeakyReLU: "leaky_relu",
        keras.layers.PReLU: "prelu",
        keras.layers.ELU: "elu",
        keras.layers.Softmax: "softmax",
    }
    if type(layer) in named:
        return named[type(layer)]
    function = getattr(layer, "activation", None)
    return "linear" if function is None else getattr(function, "__name__", type(function).__name__)


def _recording(layer: keras.Layer, original: Callable[..., Any], calls: list[Call]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        output = original(*args, **kwargs)
        if isinstance(output, tf.Tensor) and output.dtype.is_floating:
            named = [each for each in keras.tree.flatten(kwargs) if isinstance(each, tf.Tensor)]
            inputs = [each for each in keras.tree.flatten(args) if isinstance(each, tf.Tensor)]
            inputs += [each for each in named if each.dtype.is_floating]  # others are masks
            calls.append(Call(layer, tuple(inputs), output))
        return output

    return call


def _innermost(calls: Sequence[Call]) -> list[Call]:
    """Calls whose tensors can be read here, without those of layers that merely hold other recorded ones."""
    graph = tf.compat.v1.get_default_graph()
    readable = [call for call in calls if tf.executing_eagerly() or call.output.graph is graph]
    seen = {id(call.layer) for call in readable}
    return [call for call in readable if not any(id(inner) in seen for inner in _inner_layers(call.layer))]


def _inner_layers(layer: keras.Layer) -> list[keras.Layer]:
    return list(layer._flatten_layers(include_self=False))


def has_kernel(layer: keras.Layer) -> bool:
    """Whether a layer has weights that are more than a vector."""
    return any(len(variable.shape) > 1 for variable in layer.weights)


def _activate(block: Block, call: Call) -> None:
    name = activation_of(call.layer)
    if name == "linear":
        return
    block.activations.append(name)
    if not block.activated:
        block.activated, block.output = True, call.output
