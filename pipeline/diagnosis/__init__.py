"""Diagnosis of a training: probe -> signals -> rules -> findings -> remedies. Works on any Keras model.

>>> from pipeline.diagnosis import Diagnosis
>>> model.fit(x, y, callbacks=[diagnosis := Diagnosis(x_probe, y_probe)])
>>> diagnosis.findings

Before the first step:

>>> from pipeline.diagnosis import preflight
>>> preflight(model, x, y).findings
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.diagnosis.before import preflight
    from pipeline.diagnosis.callback import Diagnosis

__all__ = ["Diagnosis", "preflight"]


def __getattr__(name: str) -> Any:
    """Imports Keras when the callback is first asked for; what is looked at before training, when it is called."""
    if name == "Diagnosis":
        from pipeline.diagnosis.callback import Diagnosis

        return Diagnosis
    if name == "preflight":
        from pipeline.diagnosis.before import preflight

        return preflight
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
