"""Handwritten digits: 1,797 grey images of 8×8 pixels, bundled with scikit-learn (from UCI)."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from sklearn.datasets import load_digits

from pipeline.collect.images import encode_png
from pipeline.collect.source import Source
from pipeline.collect.tfds import prepare, read_builder

with tfds.core.registered.skip_registration():

    class Digits(tfds.core.GeneratorBasedBuilder):  # type: ignore[misc]
        """The digits as a TFDS data set."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> tfds.core.DatasetInfo:
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict(
                    {
                        "image": tfds.features.Image(shape=(8, 8, 1), encoding_format="png"),
                        "label": tfds.features.ClassLabel(names=[str(digit) for digit in range(10)]),
                    }
                ),
                supervised_keys=("image", "label"),
            )

        def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
            del dl_manager  # Nothing is downloaded.
            return {"examples": self._generate_examples()}

        def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
            digits = load_digits()
            # Ink is 0 … 16 there, and 0 … 255 here, as in any image.
            pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
            for index, (image, label) in enumerate(zip(pixels, digits.target, strict=True)):
                yield index, {"image": io.BytesIO(encode_png(image)), "label": int(label)}


def read_digits(work: Path) -> Source:
    """Prepares the data set in `work` and reads it back."""
    builder = Digits(data_dir=work)
    prepare(builder)
    return read_builder(builder, description="handwritten digits of scikit-learn (UCI), 8×8 pixels")
