"""From raw examples, as clients send them or Arrow holds them, to raw tensors: one way for training and serving."""

import datetime
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.serving.description import Column
from pipeline.serving.signature import Signature

Frame: TypeAlias = pd.DataFrame | pa.Table | pa.RecordBatch | Mapping[str, Sequence[Any]]
Array = np.ndarray[Any, np.dtype[Any]]

IMAGE_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM")
"""How encoded images of the formats that TensorFlow reads begin."""

TRUTH = {"true": 1.0, "yes": 1.0, "1": 1.0, "false": 0.0, "no": 0.0, "0": 0.0}
"""Texts that stand for a boolean, in lower case."""

EPOCH = pd.Timestamp("1970-01-01", tz="UTC")


class RawInputError(ValueError):
    """Raw examples that are not what the signature says: the message names row and column."""


def raw_tensors(frame: Frame, signature: Signature) -> dict[str, Array]:
    """Converts raw examples to what `prepare.keras` takes.

    Args:
        frame: Columns by name, of `n` rows; columns that the signature does not know are ignored.
        signature: Kind and columns of the data.

    Returns:
        image: `image`, object `(n,)` of bytes. text: `text`, object `(n,)` of str. table: `numbers`, float32
        `(n, columns)` with NaN for missing, and `categories`, object `(n, columns)` of str with "" for missing; each
        only if there are such columns.

    Raises:
        RawInputError: If a column is missing, or a value is not of its column's type.
    """
    if signature.kind == "image":
        return {"image": _objects(column(frame, "image"), "image", _image)}
    if signature.kind == "text":
        return {"text": _objects(column(frame, "text"), "text", _text)}
    tensors = {}
    numeric, categorical = number_columns(signature), category_columns(signature)
    if numeric:
        tensors["numbers"] = np.stack([numbers(frame, c) for c in numeric], axis=1)
    if categorical:
        tensors["categories"] = np.stack([categories(frame, c) for c in categorical], axis=1)
    return tensors


def number_columns(signature: Signature) -> tuple[Column, ...]:
    """Columns of the tensor `numbers`, in order: numbers, booleans as 0 and 1, dates as days since 1970."""
    return tuple(c for c in signature.columns if c.type != "category")


def category_columns(signature: Signature) -> tuple[Column, ...]:
    """Columns of the tensor `categories`, in order."""
    return tuple(c for c in signature.columns if c.type == "category")


def numbers(frame: Frame, of: Column) -> Array:
    """Reads one column of the tensor `numbers`.

    Returns:
        float32 `(n,)`, NaN for missing.

    Raises:
        RawInputError: If the column is missing or a value is none of its type.
    """
    values = column(frame, of.name)
    if of.type == "number" and values.dtype.kind in "iufb":
        exact = values.to_numpy(dtype="float64", na_value=np.nan)
    else:
        convert = {"number": _number, "boolean": _boolean, "date": _days}[of.type]
        exact = np.asarray(_each(values, of.name, convert, missing=np.nan), dtype="float64")
    with np.errstate(over="ignore"):
        numeric = exact.astype("float32")
    infinite = np.isinf(numeric)
    if infinite.any():
        row = int(np.argmax(infinite))
        raise _wrong(row, of.name, "a finite number (float32)", values.iloc[row])
    return numeric


def categories(frame: Frame, of: Column) -> Array:
    """Reads one column of the tensor `categories`.

    Returns:
        object `(n,)` of str, "" for missing.

    Raises:
        RawInputError: If the column is missing or a value has no text.
    """
    return _objects(column(frame, of.name), of.name, _category, missing="")


def column(frame: Frame, name: str) -> "pd.Series[Any]":
    """Returns one column of `frame`.

    Raises:
        RawInputError: If there is no such column; the message names the nearest one.
    """
    names = list(frame.schema.names if isinstance(frame, pa.Table | pa.RecordBatch) else frame.keys())
    if name not in names:
        close = difflib.get_close_matches(name, [str(n) for n in names], n=1)
        hint = f" Did you mean to rename `{close[0]}`?" if close else ""
        raise RawInputError(
            f"input: expected a column `{name}`. Received: {', '.join(map(str, names)) or 'no columns'}.{hint}"
        )
    if isinstance(frame, pa.Table | pa.RecordBatch):
        values: pd.Series[Any] = frame.column(name).to_pandas()
        return values
    return frame[name] if isinstance(frame, pd.DataFrame) else pd.Series(list(frame[name]), dtype=object)


def _objects(values: "pd.Series[Any]", name: str, convert: Callable[[Any], Any], missing: Any = None) -> Array:
    array = np.empty(len(values), dtype=object)
    array[:] = _each(values, name, convert, missing)
    return array


def _each(values: Iterable[Any], name: str, convert: Callable[[Any], Any], missing: Any = None) -> list[Any]:
    """Converts value by value; a missing one becomes `missing`, or is refused where `missing` is None."""
    converted = []
    for row, value in enumerate(values):
        absent = value is None or (pd.api.types.is_scalar(value) and pd.isna(value))
        if absent and missing is not None:
            converted.append(missing)
            continue
        try:
            if absent:
                raise _Unexpected("a value")
            converted.append(convert(value))
        except _Unexpected as unexpected:
            raise _wrong(row, name, str(unexpected), value) from None
    return converted


class _Unexpected(Exception):  # noqa: N818  (never leaves this module)
    """What was expected, in words."""


def _wrong(row: int, name: str, expected: str, came: Any) -> RawInputError:
    text = repr(came)
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    return RawInputError(
        f"input: row {row}, column `{name}`: expected {expected}. Received: {shown} ({type(came).__name__})"
    )


def _image(value: Any) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview) or not bytes(value).startswith(IMAGE_MAGIC):
        raise _Unexpected("the bytes of a png, jpeg, gif or bmp file")
    return bytes(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Unexpected("a string")
    return value


def _number(value: Any) -> float:
    try:
        return float(value) if value != "" else np.nan
    except (TypeError, ValueError):
        raise _Unexpected("a number") from None


def _boolean(value: Any) -> float:
    if isinstance(value, str):
        text = value.strip().lower()
        number = TRUTH.get(text) if text else np.nan
    else:
        number = float(value) if isinstance(value, bool | int | float | np.bool_ | np.number) else None
    if number is None or (number not in (0.0, 1.0) and not np.isnan(number)):
        raise _Unexpected("true or false")
    return number


def _days(value: Any) -> float:
    """Days since 1970-01-01 (UTC); a time without a zone is read as UTC."""
    if value == "":
        return np.nan
    if not isinstance(value, str | datetime.date | np.datetime64):
        raise _Unexpected("a date, such as 2024-05-31 or 2024-05-31T12:00:00")
    try:
        moment = pd.Timestamp(datetime.datetime.fromisoformat(value) if isinstance(value, str) else value)
    except ValueError:
        raise _Unexpected("a date, such as 2024-05-31 or 2024-05-31T12:00:00") from None
    moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")
    return float((moment - EPOCH) / pd.Timedelta(days=1))


def _category(value: Any) -> str:
    """The text of a category: 3, 3.0 and "3" are one category, and so are true and "true"."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | float | np.number):
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise _Unexpected("a category (text, number, boolean or date)")
