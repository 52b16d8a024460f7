"""Types of table columns: inferred from texts, taken from Arrow, and values converted to them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import UserError

ColumnType = Literal["number", "category", "boolean", "date"]

ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "number": pa.float64(),
    "category": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.timestamp("us"),
}
"""How the store keeps each type; dates without a zone, in UTC."""

BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}
"""Texts, in lower case, that make a column boolean. 0 and 1 are numbers, unless the recipe says otherwise."""


@dataclass
class TypeVotes:
    """Finds the type of a column of texts from all of its values, batch by batch."""

    open: list[ColumnType] = field(default_factory=lambda: ["boolean", "number", "date"])
    seen: bool = False

    def add(self, texts: pa.Array) -> None:
        """Strikes out the types that some value does not have; missing values say nothing."""
        present = texts.drop_null()
        if len(present):
            self.seen = True
            self.open = [kind for kind in self.open if _fits(present, kind)]

    def winner(self) -> ColumnType:
        """The type; category when nothing else fits, number when there are no values."""
        if not self.seen:
            return "number"
        return self.open[0] if self.open else "category"


def _fits(texts: pa.Array, kind: ColumnType) -> bool:
    if kind == "boolean":
        return bool(pc.all(pc.is_in(pc.utf8_lower(texts), pa.array(list(BOOLEANS)))).as_py())
    if kind == "number" and pc.any(pc.match_substring_regex(texts, r"^0\d")).as_py():
        return False  # 00501 is a code: as a number it would lose its zeros.
    try:
        _PARSERS[kind](texts)
    except pa.ArrowInvalid:
        return False
    return True


def type_of_arrow(kind: pa.DataType, where: str) -> ColumnType:
    """The type of a typed column.

    Raises:
        UserError: If it is nested or otherwise nothing to learn from.
    """
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "date"
    if pa.types.is_dictionary(kind):
        return type_of_arrow(kind.value_type, where)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "category"
    if pa.types.is_null(kind):
        return "number"
    raise UserError(
        f"{where}: expected numbers, texts, booleans or dates. Received: {kind}. "
        "Name it in `data.ignore`, or convert it."
    )


def convert(values: pa.Array, kind: ColumnType, name: str, origins: pa.Array) -> pa.Array:
    """Converts one column to how the store keeps its type.

    Args:
        values: Texts, or values of any simple Arrow type.
        kind: The type to convert to.
        name: The column's name, for messages.
        origins: Name of each row, for messages.

    Returns:
        float64, string, bool or timestamp[us]; NaN and missing values are null.

    Raises:
        UserError: If a value is not of this type; names its row.
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), None, values)
    parse = _PARSERS[kind]
    try:
        return parse(values)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        row = _first_failure(values, parse)
        raise UserError(
            f"{origins[row]}: column {name}: expected {_MEANING[kind]}. Received: {values[row].as_py()!r}. "
            "Mend it, or set the column's type in `data.columns`."
        ) from None


def convert_key(values: pa.Array, by: str, kind: ColumnType, name: str, origins: pa.Array) -> pa.Array:
    """Converts the column that rows are split by: groups to texts, times to numbers or dates.

    Args:
        values: Texts, or values of any simple Arrow type.
        by: The recipe's `data.split.by`, time or group.
        kind: The column's type.
        name: The column's name, for messages.
        origins: Name of each row, for messages.

    Raises:
        UserError: If a time is neither a number nor a date.
    """
    if by == "group":
        return convert(values, "category", name, origins)
    return convert(values, "number" if kind == "number" else "date", name, origins)


_MEANING = {
    "number": "a finite number",
    "category": "a text",
    "boolean": "true or false",
    "date": "a date as in ISO 8601, such as 2024-05-31 or 2024-05-31T12:00",
}


def _first_failure(values: pa.Array, parse: Callable[[pa.Array], pa.Array]) -> int:
    for row in range(len(values)):
        try:
            parse(values.slice(row, 1))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return row
    raise AssertionError("the column as a whole fails, so that one of its values must")


def _numbers(values: pa.Array) -> pa.Array:
    numbers = values.cast(pa.float64(), safe=False)
    if pc.any(pc.is_inf(numbers)).as_py():
        raise pa.ArrowInvalid("infinite")
    return pc.if_else(pc.is_nan(numbers), None, numbers)


def _categories(values: pa.Array) -> pa.Array:
    """Whole numbers without a fraction, so that 3, 3.0 and "3" are one category here as they are in serving."""
    return pc.replace_substring_regex(values.cast(pa.string()), r"^(-?(?:0|[1-9]\d*))\.0+$", r"\1")


def _booleans(values: pa.Array) -> pa.Array:
    if pa.types.is_boolean(values.type):
        return values
    texts = pc.utf8_lower(values.cast(pa.string()))
    true, false = pc.is_in(texts, pa.array(["true", "yes", "1"])), pc.is_in(texts, pa.array(["false", "no", "0"]))
    if not pc.all(pc.or_(pc.or_(true, false), texts.is_null())).as_py():
        raise pa.ArrowInvalid("neither true nor false")
    return pc.if_else(texts.is_null(), None, true)


def _dates(values: pa.Array) -> pa.Array:
    if not pa.types.is_string(values.type):
        return values.cast(pa.timestamp("us"), safe=False)
    try:
        return values.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return values.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))


_PARSERS: dict[ColumnType, Callable[[pa.Array], pa.Array]] = {
    "number": _numbers,
    "category": _categories,
    "boolean": _booleans,
    "date": _dates,
}
