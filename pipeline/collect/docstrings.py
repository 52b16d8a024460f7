"""Sentences of the docstrings of installed packages, read from their source without importing them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from pipeline.collect.sentences import MASK, package_sentences
from pipeline.collect.source import Source
from pipeline.collect.tfds import prepare, read_builder
from pipeline.recipe.data import DocstringsConfig

with tfds.core.registered.skip_registration():

    class Docstrings(tfds.core.GeneratorBasedBuilder):  # type: ignore[misc]
        """The sentences as a TFDS data set."""

        VERSION = tfds.core.Version("1.0.0")

        def __init__(self, *, sentences: dict[str, list[str]], data_dir: Path) -> None:
            self._sentences = sentences
            super().__init__(data_dir=data_dir)

        def _info(self) -> tfds.core.DatasetInfo:
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict(
                    {
                        "text": tfds.features.Text(),
                        "package": tfds.features.ClassLabel(names=list(self._sentences)),
                    }
                ),
                supervised_keys=("text", "package"),
            )

        def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
            del dl_manager  # Nothing is downloaded.
            return {"examples": self._generate_examples()}

        def _generate_examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
            for package, sentences in self._sentences.items():
                for index, sentence in enumerate(sentences):
                    yield f"{package}/{index}", {"text": sentence, "package": package}


def read_docstrings(section: DocstringsConfig, work: Path) -> Source:
    """Collects the sentences, prepares the data set in `work` and reads it back."""
    sentences = package_sentences(section.packages, section.sentences_per_package)
    builder = Docstrings(sentences=sentences, data_dir=work)
    prepare(builder)
    counts = ", ".join(f"{package} {len(found):,}" for package, found in sentences.items())
    return read_builder(
        builder,
        description=f"docstrings of installed packages ({counts})",
        notes=(
            f"names of the packages are masked as `{MASK}`, so that no sentence gives its answer away; sentences that "
            "two packages share are left out",
        ),
    )
