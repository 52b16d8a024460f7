"""Wisconsin diagnostic breast cancer: 569 rows of 30 measurements, bundled with scikit-learn (UCI)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from sklearn.datasets import load_breast_cancer

from pipeline.collect.source import Source
from pipeline.collect.tfds import prepare, read_builder

with tfds.core.registered.skip_registration():

    class BreastCancer(tfds.core.GeneratorBasedBuilder):  # type: ignore[misc]
        """The measurements as a TFDS data set."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> tfds.core.DatasetInfo:
            data = load_breast_cancer()
            # As bytes, because TFDS keeps a plain float64 as float32.
            number = tfds.features.Tensor(shape=(), dtype=np.float64, encoding=tfds.features.Encoding.BYTES)
            columns = {_column(name): number for name in data.feature_names}
            label = tfds.features.ClassLabel(names=[str(name) for name in data.target_names])
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict({**columns, "diagnosis": label}),
                supervised_keys=None,
            )

        def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
            del dl_manager  # Nothing is downloaded.
            return {"examples": self._generate_examples()}

        def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
            data = load_breast_cancer()
            names = [_column(name) for name in data.feature_names]
            for index, (row, label) in enumerate(zip(data.data, data.target, strict=True)):
                yield index, {**dict(zip(names, row, strict=True)), "diagnosis": int(label)}


def _column(name: str) -> str:
    return str(name).replace(" ", "_")


def read_breast_cancer(work: Path) -> Source:
    """Prepares the data set in `work` and reads it back."""
    builder = BreastCancer(data_dir=work)
    prepare(builder)
    return read_builder(
        builder,
        description="breast cancer measurements of scikit-learn (UCI, Wisconsin diagnostic)",
        label_name="diagnosis",
    )
