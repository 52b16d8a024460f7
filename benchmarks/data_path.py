"""Images a second of our data path against its peers: `python -m benchmarks.data_path [--quick]`.

All peers run in turns within one run, each for the same time a turn, and a ratio compares two turns of one round, so
that what else the machine does meets all of them alike. Printed are medians over rounds and, in brackets, the lowest
and highest. Every peer hands batches to Python; images lie in memory (the last table: on disk, in the page cache).
"""

import argparse
import importlib.util
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SHAPES = {"28×28 grey": (28, 28, 1), "64×64 RGB": (64, 64, 3)}
OURS = "plumbline"
WARM_UP = 0.25
"""Share of a turn before its clock starts."""

Peers = dict[str, Iterator[Any]]
Rates = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="turns of each peer (default: 9)")
    parser.add_argument("--examples", type=int, default=20_000, help="images in the data set (default: 20000)")
    parser.add_argument("--batch-size", type=int, default=256, help="images in a batch (default: 256)")
    parser.add_argument("--quick", action="store_true", help="2 short rounds on 2,000 images: does it run?")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.examples = 2, 2_000
    turn_secs = 0.2 if args.quick else 1.0
    print(f"{args.examples} images, batches of {args.batch_size}, {args.rounds} rounds, {os.cpu_count()} cores")
    images = {
        title: np.random.default_rng(0).integers(0, 256, (args.examples, *shape), dtype=np.uint8)
        for title, shape in SHAPES.items()
    }
    # Worker processes are forked before TensorFlow starts its threads, which a fork would not carry over.
    torch = {title: torch_peers(batch, args.batch_size) for title, batch in images.items()}
    for title, batch in images.items():
        torch_plain, torch_augmented = torch[title]
        with tempfile.TemporaryDirectory() as folder:
            tables = {
                "without augmentation": plain(batch, args.batch_size) | torch_plain,
                "flip + shift + rotate": augmented(batch, args.batch_size) | torch_augmented,
                "from disk": on_disk(batch, args.batch_size, Path(folder)),
            }
            for heading, peers in tables.items():
                report(f"{title}, {heading}", measure(peers, args.batch_size, args.rounds, turn_secs))


def measure(peers: Peers, batch_size: int, rounds: int, turn_secs: float) -> Rates:
    """Images a second of each peer in each round, the peers taking turns."""
    rates: Rates = {name: [] for name in peers}
    for _ in range(rounds):
        for name, batches in peers.items():
            run_for(batches, WARM_UP * turn_secs)  # what was prefetched while others had their turn does not count
            rates[name].append(run_for(batches, turn_secs) * batch_size)
    return rates


def run_for(batches: Iterator[Any], secs: float) -> float:
    """Batches a second over at least so many seconds."""
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < secs:
        next(batches)
        count += 1
    return count / elapsed


def report(heading: str, rates: Rates) -> None:
    """Prints each peer's rate and how many times as fast we are."""
    ours = rates[OURS]
    print(f"\n{heading}\n{'':42}{'images/s':>12}   {OURS} is … times as fast")
    for name, theirs in rates.items():
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        spread = f"{statistics.median(ratios):8.2f}  [{min(ratios):.2f}, {max(ratios):.2f}]"
        print(f"{name:42}{statistics.median(theirs):12,.0f}{'' if name == OURS else spread}")


def plain(images: np.ndarray, batch_size: int) -> Peers:
    """Shuffled batches, not augmented; uint8 as they are sent to the network, or normalised as the peers do."""
    import tensorflow as tf

    from pipeline.batches import Batches

    label = np.zeros(len(images), np.int32)
    ours = Batches({"image": images}, label, batch_size=batch_size, seed=0).dataset()

    def normalized(image: tf.Tensor) -> tf.Tensor:
        return tf.cast(image, tf.float32) / 255.0

    usual = (
        tf.data.Dataset.from_tensor_slices((images, label))
        .shuffle(len(images))
        .repeat()
        .map(lambda image, label: (normalized(image), label), num_parallel_calls=tf.data.AUTOTUNE)
        .batch(batch_size)
        .prefetch(tf.data.AUTOTUNE)
    )
    return {
        OURS: iter(ours),
        "plumbline, normalised to float32": iter(ours.map(lambda inputs, label: (normalized(inputs["image"]), label))),
        "(a) the usual tf.data": iter(usual),
        "(d) NumPy gather": numpy_gather(images, batch_size),
    }


def augmented(images: np.ndarray, batch_size: int) -> Peers:
    """Shuffled batches, each image flipped, shifted and rotated at random."""
    import keras
    import tensorflow as tf

    from pipeline.batches import Batches
    from pipeline.recipe.augment import Flip, Rotate, Shift

    transforms = (Flip(type="flip"), Shift(type="shift", fraction=0.1), Rotate(type="rotate", degrees=10.0))
    label = np.zeros(len(images), np.int32)
    ours = Batches({"image": images}, label, batch_size=batch_size, seed=0, augment=transforms).dataset()
    layers = [
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomTranslation(0.1, 0.1, fill_mode="constant"),
        keras.layers.RandomRotation(10 / 360, fill_mode="constant"),
    ]

    def random_layers(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = tf.cast(image, tf.float32)
        for layer in layers:
            image = layer(image, training=True)
        return image, label

    slices = tf.data.Dataset.from_tensor_slices((images, label)).shuffle(len(images)).repeat()
    by_example = slices.map(random_layers, num_parallel_calls=tf.data.AUTOTUNE).batch(batch_size)
    by_batch = slices.batch(batch_size).map(random_layers, num_parallel_calls=tf.data.AUTOTUNE)
    return {
        OURS: iter(ours),
        "(b) Keras Random* layers in map": iter(by_example.prefetch(tf.data.AUTOTUNE)),
        "(b) Keras Random* layers, on batches": iter(by_batch.prefetch(tf.data.AUTOTUNE)),
        "(d) NumPy gather": numpy_gather(images, batch_size),
    }


def on_disk(images: np.ndarray, batch_size: int, folder: Path) -> Peers:
    """Shuffled batches from files: what random access costs where data do not fit in memory."""
    from pipeline.batches import Batches, read_prepared

    np.save(folder / "image.npy", images)
    np.save(folder / "label.npy", np.zeros(len(images), np.int32))

    def ours(memory: str) -> Iterator[Any]:
        arrays, label = read_prepared(folder, memory)
        return iter(Batches(arrays, label, batch_size=batch_size, seed=0).dataset())

    peers = {OURS: ours("disk"), "plumbline, in memory": ours("memory")}
    return peers | array_record(images, batch_size, folder / "images.array_record")


def array_record(images: np.ndarray, batch_size: int, path: Path) -> Peers:
    """The same batches from an array_record file with a record an image."""
    import tensorflow as tf
    from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter

    writer = ArrayRecordWriter(str(path), "group_size:1,uncompressed")
    for image in images:
        writer.write(image.tobytes())
    writer.close()
    reader = ArrayRecordReader(str(path))

    def read(indices: np.ndarray) -> np.ndarray:
        records = reader.read(indices.tolist())
        return np.frombuffer(b"".join(records), np.uint8).reshape(len(indices), *images.shape[1:])

    dataset = tf.data.Dataset.from_generator(
        lambda: orders(len(images), batch_size), output_signature=tf.TensorSpec((batch_size,), tf.int64)
    ).map(lambda indices: tf.numpy_function(read, [indices], tf.uint8), num_parallel_calls=tf.data.AUTOTUNE)
    return {"array_record, random access": iter(dataset.prefetch(2))}


def numpy_gather(images: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """The limit: one thread that copies the same bytes, in a random order, into memory that it uses again."""
    batch = np.empty((batch_size, *images.shape[1:]), images.dtype)
    for indices in orders(len(images), batch_size):
        yield np.take(images, indices, axis=0, out=batch, mode="clip")  # the other modes copy once more


def orders(num_examples: int, batch_size: int) -> Iterator[np.ndarray]:
    """Index batches of one epoch after the other, without end."""
    for epoch in itertools.count():
        order = np.random.default_rng(epoch).permutation(num_examples)
        yield from order[: num_examples // batch_size * batch_size].reshape(-1, batch_size)


def torch_peers(images: np.ndarray, batch_size: int) -> tuple[Peers, Peers]:
    """PyTorch's ways, without and with augmentation; none where torch is not installed."""
    if importlib.util.find_spec("torch") is None:
        print("(c) is left out: torch is not installed")
        return {}, {}
    from benchmarks.torch_peers import peers

    def ours(augment: bool) -> Peers:
        return {f"(c) {name}": batches for name, batches in peers(images, batch_size, augment=augment).items()}

    return ours(augment=False), ours(augment=True)


if __name__ == "__main__":
    main()
