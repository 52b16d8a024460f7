import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from pipeline.collect.digits import Digits
from pipeline.collect.tfds import prepare
from pipeline.collect.tfds_folder import DatasetName, parse_name
from pipeline.errors import UserError
from tests.collect.conftest import Collected, run

with tfds.core.registered.skip_registration():

    class Moods(tfds.core.GeneratorBasedBuilder):
        """Texts with several labels, in splits of its own, some of the test without a label."""

        VERSION = tfds.core.Version("2.1.0")

        def _info(self) -> tfds.core.DatasetInfo:
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict(
                    {
                        "sentence": tfds.features.Text(),
                        "mood": tfds.features.ClassLabel(names=["glad", "sad"]),
                        "topics": tfds.features.Sequence(tfds.features.ClassLabel(names=["food", "work", "rain"])),
                        "length": np.int32,
                    }
                ),
                supervised_keys=("sentence", "mood"),
            )

        def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
            return {"train": self._generate_examples(0, 80), "test": self._generate_examples(80, 110)}

        def _generate_examples(self, start: int, stop: int) -> Iterator[tuple[int, dict[str, Any]]]:
            for i in range(start, stop):
                mood = -1 if i >= 100 else i % 2
                topics = [topic for topic in range(3) if i % (topic + 2) == 0]
                yield i, {"sentence": f"sentence number {i}", "mood": mood, "topics": topics, "length": i}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tfds")
    prepare(Digits(data_dir=folder))
    prepare(Moods(data_dir=folder))
    return folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a prepared data set needs no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("offline")
def test_prepared_images_are_read_by_name_at_once(data_dir: Path, tmp_path: Path, digits: Collected) -> None:
    started = time.perf_counter()
    collected = run(tmp_path / "out", type="tfds", name="digits", data_dir=str(data_dir))
    assert time.perf_counter() - started < 20
    assert collected.result.fingerprint == digits.result.fingerprint
    assert collected.manifest.source == "TFDS digits/1.0.0"


@pytest.mark.usefixtures("offline")
def test_splits_of_the_data_set_are_kept_and_unlabelled_examples_left_out(data_dir: Path, tmp_path: Path) -> None:
    collected = run(
        tmp_path / "out", type="tfds", name="tfds:moods:2.1.0", data_dir=str(data_dir), split={"by": "source"}
    )
    splits = collected.splits("text")
    assert {splits[f"sentence number {i}"] for i in range(80, 100)} == {"test"}
    assert {splits[f"sentence number {i}"] for i in range(80)} == {"train", "validation"}
    assert collected.manifest.counts["test"] == 20
    assert "left out 10 examples: no label (-1)" in collected.lines
    assert collected.manifest.classes == ("glad", "sad")
    assert all(row["__label__"] == int(row["text"].split()[-1]) % 2 for row in collected.test.to_pylist())


def test_sequence_of_labels_is_multilabel(data_dir: Path, tmp_path: Path) -> None:
    collected = run(tmp_path / "out", type="tfds", name="moods", data_dir=str(data_dir), label="topics")
    assert (collected.manifest.task, collected.manifest.classes) == ("multilabel", ("food", "work", "rain"))
    for row in collected.development.to_pylist():
        number = int(row["text"].split()[-1])
        assert row["__label__"] == [float(number % (topic + 2) == 0) for topic in range(3)]


def test_named_columns_make_a_table(data_dir: Path, tmp_path: Path) -> None:
    collected = run(tmp_path / "out", type="tfds", name="moods", data_dir=str(data_dir), input="length")
    assert collected.manifest.kind == "table"
    assert [(column.name, column.type) for column in collected.manifest.columns] == [("length", "number")]


def test_data_set_that_is_not_prepared_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    started = time.perf_counter()
    with pytest.raises(UserError, match=re.escape("tfds build fashion_mnist --data_dir")) as caught:
        run(tmp_path / "out", type="tfds", name="fashion_mnist", data_dir=str(tmp_path))
    assert "\n" not in str(caught.value)
    assert time.perf_counter() - started < 1


def test_download_without_a_network_is_a_user_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("pipeline.collect.tfds._write", refuse)
    with pytest.raises(UserError, match=r"data\.download: mnist cannot be downloaded .*no route to host"):
        run(tmp_path / "out", type="tfds", name="mnist", data_dir=str(tmp_path), download=True)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"label": "moood"}, r"data\.label: expected one of the features .*mood.* Received: moood"),
        ({"input": "image"}, r"data\.input: expected one of the features .* Received: image"),
        ({"name": "moods:9.9.9"}, r"moods:9\.9\.9 is not prepared"),
    ],
)
def test_wrong_names_are_refused(data_dir: Path, tmp_path: Path, keys: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(tmp_path / "out", **{"type": "tfds", "name": "moods", "data_dir": str(data_dir)} | keys)


def test_name_has_config_and_version() -> None:
    assert parse_name("tfds:glue/sst2:2.0.0") == DatasetName("glue", "sst2", "2.0.0")
    assert parse_name("mnist") == DatasetName("mnist", None, None)
