"""Index-addressed batches: what training sees at (seed, epoch, step) is a pure function of those three.

No shuffle buffer and no state of an iterator: any step can be asked for directly, in any order, on any number of
threads. A batch is gathered whole, by index, from prepared tensors in memory or in memory-mapped files.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import tensorflow as tf

from pipeline.augment import Inputs, augmenter
from pipeline.augment.mixing import Step, mixing
from pipeline.compute.memory import total_bytes
from pipeline.environment import num_cores
from pipeline.recipe.augment import AugmentConfig
from pipeline.sampling import balanced, natural, unshuffled

Gather = Callable[[tf.Tensor], tuple[Inputs, tf.Tensor]]

NUM_PREFETCHED = 2

MOST_AT_ONCE = 16
"""Batches that are made at once, on as many cores: each takes memory."""

UNMODELLED = tf.data.Options()
"""Without the thread in which TensorFlow models a dataset while it is read: who drops its iterator may wait until that
has slept, 2 to 9 s after readings of 3 to 11 s (TensorFlow 2.21), and it makes our batches no faster."""
UNMODELLED.autotune.enabled = False

SHARE_OF_MEMORY = 0.25


class Batches:
    """Batches of one split, addressed by epoch and step.

    Args:
        arrays: Prepared tensors by name, each of shape (num_examples, ...); memory maps are welcome.
        label: Labels, of shape (num_examples, ...).
        batch_size: Examples in a batch; the last batch of an epoch holds what is left.
        seed: The recipe's seed: decides the order and the augmentation of every epoch.
        shuffle: Whether each epoch has an order of its own; else the order is that of `arrays`.
        augment: Random transforms of the tensors; images then become float32 in [0, 255].
        sampling: natural: an epoch holds every example once; balanced: every class equally often
            (`sampling.balanced`); it needs class indices as labels, and shuffles.
        num_classes: Number of classes, if class indices are to become one-hot labels, float32 (batch, num_classes), as
            those of mixed examples must be; None: labels stay as they are.
        memory: Whether the tensors are held in memory, or read from `arrays` at each batch; by default, as they come:
            memory maps are read at each batch.

    Raises:
        ValueError: If there are no examples, the tensors differ in their number, or labels cannot be balanced or mixed.
        UserError: If a transform does not fit the examples, or would change nothing.
    """

    def __init__(
        self,
        arrays: dict[str, np.ndarray],
        label: np.ndarray,
        *,
        batch_size: int,
        seed: int,
        shuffle: bool = True,
        augment: tuple[AugmentConfig, ...] = (),
        sampling: Literal["natural", "balanced"] = "natural",
        num_classes: int | None = None,
        memory: bool | None = None,
    ) -> None:
        lengths = {name: len(array) for name, array in {**arrays, "label": label}.items()}
        if len(set(lengths.values())) != 1 or not len(label):
            raise ValueError(f"arrays: expected one or more examples, as many in each. Received: {lengths}")
        if memory is None:
            memory = not any(isinstance(array, np.memmap) for array in arrays.values())
        if sampling == "balanced":
            self._order = balanced(label, seed=seed)
        else:
            self._order = natural(len(label), seed=seed) if shuffle else unshuffled(len(label))
        self.num_examples = self._order.num_draws
        """Examples in an epoch: those of the split, or more where they are balanced."""
        self.batch_size = min(batch_size, self.num_examples)
        self.steps_per_epoch = -(-self.num_examples // self.batch_size)
        self.labels = label
        """Of the split, as they are stored."""
        self.is_balanced = sampling == "balanced"
        self._num_stored = len(label)
        self.num_classes = num_classes
        """Width of one-hot labels; None: labels are as they are stored."""
        self._augment = augmenter(augment, arrays, seed=seed)
        self._mix = mixing(augment, seed=seed)
        if self._mix and num_classes is None and label.max() > 1:
            raise ValueError("num_classes: required to mix the examples of more than two classes")
        self._gather = _gather_memory(arrays, label) if memory else _gather_disk(arrays, label)

    @property
    def soft_labels(self) -> bool:
        """Whether labels are shares of classes, float32, because examples are mixed."""
        return self._mix is not None

    def indices(self, epoch: int, step: int) -> np.ndarray:
        """Gives the indices in `arrays` of the examples of a batch, int64 (batch,), in their order."""
        first = step * self.batch_size
        positions = tf.range(first, min(first + self.batch_size, self.num_examples), dtype=tf.int64)
        indices: np.ndarray = self._order.at(tf.constant(epoch, tf.int64), positions).indices.numpy()
        return indices

    def batch(self, epoch: int, step: int) -> tuple[Inputs, tf.Tensor]:
        """Gives the batch of one step, in [0, steps_per_epoch), of an epoch.

        Returns:
            Tensors by name, each (batch, ...), and the labels; the same as `dataset` gives at that step.
        """
        with tf.device("CPU:0"):
            inputs, label = self._assemble(tf.constant(epoch, tf.int64), tf.constant(step, tf.int64))
        return inputs, label

    def dataset(self, first_step: int = 0, num_steps: int | None = None, *, modelled: bool = False) -> tf.data.Dataset:
        """Gives the batches of consecutive steps, counted over all epochs, ready for `fit`.

        Args:
            first_step: The first step; step `steps_per_epoch` is the first one of the second epoch.
            num_steps: How many steps; None: without end.
            modelled: Whether TensorFlow keeps a model of its iterators, from which a diagnosis reads whether batches
                lie ready. Drop such an iterator where nobody waits for it.

        Returns:
            A dataset of (dict of tensors by name, labels), of known cardinality.
        """
        if num_steps is None:
            steps = tf.data.Dataset.counter(first_step)
        else:
            steps = tf.data.Dataset.range(first_step, first_step + num_steps)
        # Its conversion by AutoGraph would take a second and change nothing: no branch here depends on a tensor.
        assemble = tf.autograph.experimental.do_not_convert(self._at)
        at_once = min(num_cores(), MOST_AT_ONCE)
        batches = steps.map(assemble, num_parallel_calls=at_once, deterministic=True).prefetch(NUM_PREFETCHED)
        return batches if modelled else batches.with_options(UNMODELLED)

    def _at(self, step: tf.Tensor) -> tuple[Inputs, tf.Tensor]:
        return self._assemble(step // self.steps_per_epoch, step % self.steps_per_epoch)

    def _assemble(self, epoch: tf.Tensor, step: tf.Tensor) -> tuple[Inputs, tf.Tensor]:
        # A last batch that is not full is filled up and cut at the end, so that XLA compiles for one shape only.
        first = step * self.batch_size
        positions = tf.minimum(first + tf.range(self.batch_size, dtype=tf.int64), self.num_examples - 1)
        indices, repetitions = self._order.at(epoch, positions)
        inputs, label = self._gather(indices)
        # An example that comes again in an epoch looks another way each time.
        keys = indices + repetitions * self._num_stored
        if self._augment:
            inputs = self._augment(inputs, keys, epoch)
        if self.num_classes:
            label = tf.one_hot(label, self.num_classes)
        if self._mix:
            count = tf.minimum(self.num_examples - first, self.batch_size)
            inputs, label = self._mix(inputs, tf.cast(label, tf.float32), keys, Step(epoch, step, count))
        if self.num_examples % self.batch_size:
            left = self.num_examples - first
            inputs, label = {name: tensor[:left] for name, tensor in inputs.items()}, label[:left]
        return inputs, label


def read_prepared(
    folder: Path, memory: Literal["auto", "memory", "disk"] = "auto"
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Reads the tensors that preprocess wrote for one split.

    Args:
        folder: Holds `<tensor>.npy` for each prepared tensor, `label.npy` and `id.npy` (which is not read).
        memory: Whether the tensors are read into memory or memory-mapped; auto: memory while their files fit in a
            quarter of it.

    Returns:
        The tensors by name, and the labels (always in memory).
    """
    paths = {path.stem: path for path in sorted(folder.glob("*.npy")) if path.stem not in ("label", "id")}
    size_bytes = sum(path.stat().st_size for path in paths.values())
    fits = size_bytes <= SHARE_OF_MEMORY * total_bytes()
    mmap_mode: Literal["r"] | None = None if memory == "memory" or (memory == "auto" and fits) else "r"
    arrays = {name: np.load(path, mmap_mode=mmap_mode) for name, path in paths.items()}
    return arrays, np.load(folder / "label.npy")


def _gather_memory(arrays: dict[str, np.ndarray], label: np.ndarray) -> Gather:
    """Gathers from tensors that the dataset captures: in its state, not in its graph, which must not pass 2 GB."""
    with tf.device("CPU:0"):
        tensors = {name: tf.convert_to_tensor(array) for name, array in arrays.items()}
        labels = tf.convert_to_tensor(label)

    def gather(indices: tf.Tensor) -> tuple[Inputs, tf.Tensor]:
        return {name: tf.gather(tensor, indices) for name, tensor in tensors.items()}, tf.gather(labels, indices)

    return gather


def _gather_disk(arrays: dict[str, np.ndarray], label: np.ndarray) -> Gather:
    """Gathers from the arrays themselves: of memory maps, only what a batch needs is read."""
    columns = [*arrays.values(), label]

    def take(indices: np.ndarray) -> list[np.ndarray]:
        return [np.take(column, indices, axis=0) for column in columns]

    def gather(indices: tf.Tensor) -> tuple[Inputs, tf.Tensor]:
        *tensors, labels = tf.numpy_function(take, [indices], [column.dtype for column in columns])
        for tensor, column in zip((*tensors, labels), columns, strict=True):
            tensor.set_shape((indices.shape[0], *column.shape[1:]))
        return dict(zip(arrays, tensors, strict=True)), labels

    return gather
