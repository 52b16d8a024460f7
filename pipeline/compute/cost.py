"""What one training step costs in arithmetic and memory, read from the graph that TensorFlow would run."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import keras
import tensorflow as tf

CONTRACTIONS = ("MatMul", "BatchMatMul", "BatchMatMulV2", "Conv2D", "Conv1D", "DepthwiseConv2dNative", "Einsum")
"""Operations whose arithmetic counts; element-wise ones, reductions and look-ups are left out."""

LOOPS = ("While", "StatelessWhile")
CALLS = ("PartitionedCall", "StatefulPartitionedCall")


@dataclass(frozen=True)
class Cost:
    """What does not depend on the machine."""

    num_parameters: int
    num_trainable: int
    flops: int
    """Floating-point operations of one example in one forward pass; a multiply-add counts as two. The backward pass
    of a training step takes about twice as many again."""
    activation_bytes: int
    """What the forward pass of one example keeps for the backward pass."""
    parameter_bytes: int
    gradient_bytes: int
    optimizer_bytes: int
    """Moments, averages and accumulators of the optimiser."""

    def memory_bytes(self, batch_size: int) -> int:
        """Memory that one training step needs at least: temporary buffers, data and libraries come on top."""
        held = self.parameter_bytes + self.gradient_bytes + self.optimizer_bytes
        return held + batch_size * self.activation_bytes


def cost(network: keras.Model) -> Cost:
    """Counts what a training step of a compiled network costs; runs none.

    Args:
        network: Compiled, functional; its optimiser is built if it was not.
    """
    optimizer, trainable = network.optimizer, network.trainable_variables
    if not optimizer.built:
        optimizer.build(trainable)
    one, two = (_traced(network, batch_size) for batch_size in (1, 2))
    return Cost(
        num_parameters=network.count_params(),
        num_trainable=sum(math.prod(variable.shape) for variable in trainable),
        flops=one.flops,
        # The difference leaves out what no example has of its own, such as copies of the weights.
        activation_bytes=two.kept_bytes - one.kept_bytes,
        parameter_bytes=_size_bytes(network.variables),
        gradient_bytes=_size_bytes(trainable),
        optimizer_bytes=_size_bytes(optimizer.variables),
    )


@dataclass(frozen=True)
class _Traced:
    """One forward pass at some batch size."""

    flops: int
    kept_bytes: int


def _traced(network: keras.Model, batch_size: int) -> _Traced:
    """Traces forward and backward pass, and tells them apart by the order in which operations were added."""
    num_forward = 0

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step(inputs: dict[str, tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        nonlocal num_forward
        with tf.GradientTape() as tape:
            outputs = network(inputs, training=True)
        num_forward = len(outputs.graph.get_operations())
        return outputs, tape.gradient(outputs, [v.value for v in network.trainable_variables])

    shapes = {name: tf.TensorSpec((batch_size, *t.shape[1:]), t.dtype) for name, t in network.input.items()}
    graph = step.get_concrete_function(shapes).graph
    needed = _needed(graph.outputs)
    forward, backward = (
        [operation for operation in part if id(operation) in needed]
        for part in (graph.get_operations()[:num_forward], graph.get_operations()[num_forward:])
    )
    inside = {id(operation) for operation in forward}
    kept = {id(t): t for operation in backward for t in operation.inputs if id(t.op) in inside}
    flops = sum(times * _flops(operation) for operation, times in _walk(graph, forward))
    pushed = sum(times * _tensor_bytes(op.inputs[1]) for op, times in _walk(graph, forward) if _keeps(op))
    return _Traced(flops, pushed + sum(map(_tensor_bytes, kept.values())))


def _needed(outputs: list[tf.Tensor]) -> set[int]:
    """The operations, by `id`, that the outputs depend on: TensorFlow drops all others before it runs a graph."""
    needed, waiting = set[int](), [tensor.op for tensor in outputs]
    while waiting:
        operation = waiting.pop()
        if id(operation) not in needed:
            needed.add(id(operation))
            waiting += [*operation.control_inputs, *(tensor.op for tensor in operation.inputs)]
    return needed


def _walk(graph: tf.Graph, operations: list[tf.Operation], times: int = 1) -> Iterator[tuple[tf.Operation, int]]:
    """Yields every operation, also those in functions and in the bodies of loops, with how often it runs."""
    for operation in operations:
        yield operation, times
        if operation.type in (*LOOPS, *CALLS):
            is_loop = operation.type in LOOPS
            inner = graph._get_function(operation.get_attr("body" if is_loop else "f").name).graph
            rounds = _num_rounds(operation) if is_loop else 1
            yield from _walk(inner, inner.get_operations(), times * rounds)


def _num_rounds(loop: tf.Operation) -> int:
    """How often a loop over the steps of a sequence runs; TensorFlow hands it the bound as second input."""
    bound = loop.inputs[1]
    if bound.op.type == "Max":
        bound = bound.op.inputs[0]
    value = tf.get_static_value(bound)
    return 1 if value is None else int(value)


def _keeps(operation: tf.Operation) -> bool:
    """Whether it stores a tensor of one round of a loop for the backward pass."""
    return bool(operation.type == "TensorListPushBack")


def _flops(operation: tf.Operation) -> int:
    """Floating-point operations of a contraction; 0 for all else."""
    if operation.type not in CONTRACTIONS:
        return 0
    left, right = (tuple[int, ...](tensor.shape) for tensor in operation.inputs[:2])
    output = tuple[int, ...](operation.outputs[0].shape)
    if operation.type == "Einsum":
        terms = operation.get_attr("equation").decode().split("->")[0].split(",")
        sizes = dict(zip("".join(terms), (*left, *right), strict=True))
        return 2 * math.prod(sizes.values())
    if operation.type == "DepthwiseConv2dNative":
        return 2 * math.prod(output) * math.prod(right[:2])
    if operation.type.startswith("Conv"):
        return 2 * math.prod(output) * math.prod(right[:-1])
    transposed = "transpose_a" if operation.type == "MatMul" else "adj_x"
    return 2 * math.prod(output) * left[-2 if operation.get_attr(transposed) else -1]


def _tensor_bytes(tensor: tf.Tensor) -> int:
    """Bytes of a tensor; 0 for handles and for those whose size is not known."""
    if not tensor.shape.is_fully_defined() or tensor.dtype in (tf.resource, tf.variant, tf.string):
        return 0
    return int(math.prod(tensor.shape)) * int(tensor.dtype.size)


def _size_bytes(variables: list[keras.Variable]) -> int:
    return sum(math.prod(variable.shape) * tf.as_dtype(variable.dtype).size for variable in variables)
