"""Our values as MLflow's entities, within its limits on names, lengths and batches."""

import hashlib
import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils import validation

from pipeline.tracking.store import redacted

T = TypeVar("T")

KEY_LENGTH = 200
"""Longest name in characters; MLflow takes 250."""


def metrics(values: Mapping[str, float], step: int | None, time: int) -> list[Metric]:
    """Metrics at a step, 0 for values of the whole run, stamped with the time in milliseconds."""
    return [Metric(entity_key(key), value, time, step or 0) for key, value in values.items()]


def params(values: Mapping[str, Any]) -> list[Param]:
    """Parameters; strings as they are, all else as JSON. A value that had to be cut says so."""
    return [
        Param(entity_key(key), clipped(_text(value), validation.MAX_PARAM_VAL_LENGTH)) for key, value in values.items()
    ]


def tags(values: Mapping[str, str]) -> list[RunTag]:
    """Tags; a value that had to be cut says so."""
    return [RunTag(entity_key(key), clipped(value, validation.MAX_TAG_VAL_LENGTH)) for key, value in values.items()]


def log(
    client: MlflowClient,
    run_id: str,
    *,
    metrics: Sequence[Metric] = (),
    params: Sequence[Param] = (),
    tags: Sequence[RunTag] = (),
) -> None:
    """Sends metrics, parameters and tags to a run in as few calls as MLflow's limits allow."""
    for batch in _batches(metrics, validation.MAX_METRICS_PER_BATCH):
        client.log_batch(run_id, metrics=batch)
    for batch in _batches(params, validation.MAX_PARAMS_TAGS_PER_BATCH):
        client.log_batch(run_id, params=batch)
    for batch in _batches(tags, validation.MAX_PARAMS_TAGS_PER_BATCH):
        client.log_batch(run_id, tags=batch)


def entity_key(key: str) -> str:
    """A name that MLflow takes; one that had to be changed ends in a hash, so that names stay apart."""
    clean = re.sub(r"[^/\w.\- :]", "_", key)
    if clean == key and len(key) <= KEY_LENGTH and posixpath.normpath(key) == key and key[0] not in "./":
        return key
    digest = hashlib.blake2b(key.encode(), digest_size=3).hexdigest()
    return f"{clean.replace('/', '_').lstrip('.')[:KEY_LENGTH]}_{digest}"


def clipped(text: str, limit: int) -> str:
    """The text, without credentials; if longer than `limit` its beginning, saying how much there was."""
    text = redacted(text)
    if len(text) <= limit:
        return text
    ending = f" … [cut: {len(text)} characters in all]"
    return text[: limit - len(ending)] + ending


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _batches(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
