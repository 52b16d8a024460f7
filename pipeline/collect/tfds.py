"""TensorFlow Datasets as a source: any prepared data set, read at once and without a network."""

import contextlib
import errno
import io
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from absl import logging

from models.spec import Kind
from pipeline.collect.source import IMAGES_PER_BATCH, KEY, ORIGIN, ROWS_PER_BATCH, Source
from pipeline.collect.tfds_folder import find_prepared, parse_name
from pipeline.errors import UserError
from pipeline.imports import heavy_imports
from pipeline.manifest import LABEL
from pipeline.recipe.data import TfdsConfig
from pipeline.serving.description import Column

with heavy_imports():
    import tensorflow as tf
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import downloader

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a disk says that has no room."""

logging.set_verbosity(logging.ERROR)
"""TFDS reports on its own deprecations and progress at every step."""

downloader.MAX_RETRIES = 4
"""Ten, as TFDS has it, are three and a half minutes before it says that there is no network; four are seconds."""


def read_tfds(section: TfdsConfig) -> Source:
    """Reads a data set that is prepared in `data_dir`, or downloads and prepares it if the recipe says so.

    A prepared data set is opened from its folder: neither the code that made it nor cloud storage is looked up.

    Raises:
        UserError: If the data set is not prepared, or has no such input or label.
    """
    data_dir = Path(section.data_dir).expanduser()
    if section.download:
        _download(section.name, data_dir)
    builder = tfds.builder_from_directory(find_prepared(section.name, data_dir))
    return read_builder(
        builder,
        description=f"TFDS {builder.info.full_name}",
        input_name=section.input,
        label_name=section.label,
        by_source=section.split.by == "source",
    )


def _download(name: str, data_dir: Path) -> None:
    parsed = parse_name(name)
    try:
        builder = tfds.builder(parsed.full, data_dir=str(data_dir), try_gcs=False)
    except tfds.core.DatasetNotFoundError as error:
        raise UserError(f"data.name: {name}: TFDS knows no such data set ({str(error).splitlines()[0]})") from error
    try:
        _write(builder)
    except OSError as error:
        if error.errno in FULL:
            raise
        raise UserError(
            f"data.download: {name} cannot be downloaded to {data_dir} ({type(error).__name__}: "
            f"{str(error).splitlines()[0]}). Is there a network?"
        ) from error


def prepare(builder: tfds.core.DatasetBuilder) -> None:
    """Writes a data set that needs no download to its `data_dir`, without a word."""
    tfds.disable_progress_bar()
    # TFDS prints where it wrote and that this will be used again: it is a folder that goes when collect ends.
    with contextlib.redirect_stdout(io.StringIO()):
        _write(builder)


def _write(builder: tfds.core.DatasetBuilder) -> None:
    """Never asks cloud storage for a copy: without a network that can hang.

    Raises:
        OSError: If the disk is full, which TFDS wraps in errors of other kinds.
    """
    try:
        builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
    except Exception as error:
        for number in FULL:
            if os.strerror(number) in str(error):
                raise OSError(number, os.strerror(number), str(builder.data_dir)) from error
        raise


def read_builder(
    builder: tfds.core.DatasetBuilder,
    *,
    description: str,
    input_name: str | None = None,
    label_name: str | None = None,
    by_source: bool = False,
    notes: tuple[str, ...] = (),
) -> Source:
    """Makes a source of a prepared data set.

    Args:
        builder: Prepared.
        description: For the manifest.
        input_name: Feature to learn from; by default the supervised input, the only image or text, or all others.
        label_name: Feature to predict; by default the supervised target.
        by_source: Whether examples carry the name of the split that the data set gives them.
        notes: Lines for the user.
    """
    features = builder.info.features
    supervised = builder.info.supervised_keys or (None, None)
    label_name = label_name or supervised[-1]
    label = _feature(features, label_name, "label")
    inputs = _inputs(features, input_name or supervised[0], exclude=label_name)
    kind = _kind(inputs)
    splits = {name: info.num_examples for name, info in builder.info.splits.items() if info.num_examples}
    if not by_source and len(splits) > 1:
        notes += (f"{description} has splits of its own ({', '.join(splits)}): `data.split.by: source` uses them",)
    left_out: Counter[str] = Counter()
    reader = _Reader(builder, kind, inputs, str(label_name), label, by_source, left_out)
    return Source(
        kind=kind,
        description=description,
        label=(str(label_name),),
        batches=reader.batches(tuple(splits)),
        total=sum(splits.values()),
        classes=_class_names(label),
        columns=tuple(Column(name, _column_type(f)) for name, f in inputs.items()) if kind == "table" else (),
        notes=notes,
        left_out=left_out,
    )


class _Reader:
    """Turns the data set's batches into record batches."""

    def __init__(
        self,
        builder: tfds.core.DatasetBuilder,
        kind: Kind,
        inputs: dict[str, Any],
        label_name: str,
        label: Any,
        by_source: bool,
        left_out: Counter[str],
    ) -> None:
        self._builder, self._kind, self._inputs = builder, kind, inputs
        self._label_name, self._label, self._by_source, self._left_out = label_name, label, by_source, left_out

    def batches(self, splits: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        size = IMAGES_PER_BATCH if self._kind == "image" else ROWS_PER_BATCH
        for split in splits:
            dataset = self._builder.as_dataset(split=split, shuffle_files=False, decoders=self._decoders())
            dataset = dataset.map(self._select).ragged_batch(size)
            start = 0
            for batch in tfds.as_numpy(dataset):
                labels, kept = _labels(self._label, batch["label"])
                record = self._record(batch, labels, split, start)
                start += len(kept)
                self._left_out["no label (-1)"] += int((~kept).sum())
                if kept.any():
                    yield record.filter(pa.array(kept))

    def _decoders(self) -> Any:
        """Images stay encoded, as they came."""
        if self._kind != "image":
            return None
        (name,) = self._inputs
        decoders: Any = tfds.decode.SkipDecoding()
        for part in reversed(name.split("/")):
            decoders = {part: decoders}
        return decoders

    def _select(self, example: dict[str, Any]) -> dict[str, Any]:
        return {"label": _at(example, self._label_name), "inputs": {n: _at(example, n) for n in self._inputs}}

    def _record(self, batch: dict[str, Any], labels: pa.Array, split: str, start: int) -> pa.RecordBatch:
        origins = [f"{split}[{start + row}]" for row in range(len(labels))]
        columns = {self._column_name(n): _values(f, batch["inputs"][n], self._kind) for n, f in self._inputs.items()}
        columns |= {LABEL: labels, ORIGIN: pa.array(origins)}
        if self._by_source:
            columns[KEY] = pa.array([split] * len(labels))
        return pa.RecordBatch.from_pydict(columns)

    def _column_name(self, name: str) -> str:
        return name if self._kind == "table" else self._kind


def _at(example: dict[str, Any], path: str) -> Any:
    for part in path.split("/"):
        example = example[part]
    return example


def _flat(features: Any, prefix: str = "") -> dict[str, Any]:
    """Feature paths, `/` between the names of nested features."""
    flat: dict[str, Any] = {}
    for name, feature in features.items():
        nested = isinstance(feature, tfds.features.FeaturesDict)
        flat |= _flat(feature, f"{prefix}{name}/") if nested else {f"{prefix}{name}": feature}
    return flat


def _feature(features: Any, name: Any, key: str) -> Any:
    flat = _flat(features)
    if not isinstance(name, str) or name not in flat:
        came = "none, and the data set names none" if name is None else str(name)
        raise UserError(f"data.{key}: expected one of the features {', '.join(flat)}. Received: {came}.")
    return flat[name]


def _inputs(features: Any, name: Any, exclude: str | None) -> dict[str, Any]:
    """The features to learn from, by path."""
    flat = {path: feature for path, feature in _flat(features).items() if path != exclude}
    if isinstance(name, str):
        chosen = {path: feature for path, feature in flat.items() if path == name or path.startswith(f"{name}/")}
        if not chosen:
            raise UserError(f"data.input: expected one of the features {', '.join(flat)}. Received: {name}.")
        return chosen
    for kind in (tfds.features.Image, tfds.features.Text):
        only = {path: feature for path, feature in flat.items() if isinstance(feature, kind)}
        if len(only) == 1:
            return only
    return flat


def _kind(inputs: dict[str, Any]) -> Kind:
    if len(inputs) == 1:
        (feature,) = inputs.values()
        if isinstance(feature, tfds.features.Image):
            return "image"
        if isinstance(feature, tfds.features.Text):
            return "text"
    for name, feature in inputs.items():
        if feature.shape != () or feature.np_dtype is None:
            raise UserError(
                f"data.input: expected one image, one text, or columns of single values. Received: feature {name} "
                f"({type(feature).__name__}, shape {feature.shape}). Name the input with `data.input`."
            )
    return "table"


def _column_type(feature: Any) -> Any:
    if isinstance(feature, tfds.features.ClassLabel) or feature.np_dtype in (np.str_, np.object_, bytes, object):
        return "category"
    return "boolean" if feature.np_dtype == np.bool_ else "number"


def _class_names(label: Any) -> tuple[str, ...]:
    return tuple(getattr(_element(label), "names", ()) or ())


def _element(label: Any) -> Any:
    return label.feature if isinstance(label, tfds.features.Sequence) else label


def _labels(label: Any, values: Any) -> tuple[pa.Array, np.ndarray]:
    """Labels as a source gives them, and which examples have one: TFDS marks a label that is kept secret by -1."""
    if isinstance(label, tfds.features.Sequence):
        rows = values.to_list() if isinstance(values, tf.RaggedTensor) else [list(row) for row in values]
        return _multi_hot(rows, len(_class_names(label))), np.ones(len(rows), bool)
    if values.dtype == object:
        return pa.array([value.decode() for value in values]), np.ones(len(values), bool)
    known = values >= 0 if isinstance(label, tfds.features.ClassLabel) else np.ones(len(values), bool)
    return pa.array(values), known


def _multi_hot(rows: list[list[int]], num_classes: int) -> pa.Array:
    hot = np.zeros((len(rows), num_classes), np.int8)
    for row, indices in enumerate(rows):
        hot[row, indices] = 1
    return pa.array(hot.tolist(), pa.list_(pa.int8()))


def _values(feature: Any, values: Any, kind: Kind) -> pa.Array:
    if kind == "image":
        return pa.array(list(values), pa.binary())
    if isinstance(feature, tfds.features.ClassLabel):
        return pa.array([feature.int2str(int(value)) if value >= 0 else None for value in values], pa.string())
    if values.dtype == object:
        return pa.array([value.decode("utf-8") for value in values], pa.string())
    return pa.array(values) if values.dtype == np.bool_ else pa.array(values.astype(np.float64))
