"""Keras networks built from a recipe's `model` section; `models.build` imports Keras when it is first asked for."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.registry import build

__all__ = ["build"]


def __getattr__(name: str) -> Any:
    if name == "build":
        from models.registry import build

        return build
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
