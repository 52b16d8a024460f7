"""Whether a classifier is as sure as it is right, and what temperature scaling would do: figures, picture, a line."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.comparison.intervals import Estimate, estimates, wilson
from pipeline.comparison.paired import Effect, effect
from pipeline.comparison.resampling import SEED
from pipeline.comparison.temperature import at_temperature
from pipeline.figures import QUIET, TRAIN, VALIDATION, figure, save
from pipeline.journal import Journal
from pipeline.metrics import Predicted, calibration

CALIBRATION_ERROR = "calibration_error"


@dataclass(frozen=True)
class Scaling:
    """Temperature scaling on the test examples."""

    temperature: float
    """Fitted on validation; above 1: the network is too sure."""
    without: Predicted
    """Test answers of the network itself."""
    exported: bool
    """Whether the exported model scales."""

    @property
    def scaled(self) -> Predicted:
        """Test answers at the temperature."""
        return at_temperature(self.without, self.temperature)

    @property
    def errors(self) -> tuple[Estimate, Estimate]:
        """Calibration error without and with scaling."""
        without, scaled = (
            estimates([CALIBRATION_ERROR], of, seed=SEED)[CALIBRATION_ERROR] for of in (self.without, self.scaled)
        )
        return without, scaled

    @property
    def effect(self) -> Effect:
        """How much scaling lessens the loss, a proper score that it was not fitted on."""
        return effect("log_loss", self.without, self.scaled, seed=SEED)


def report_calibration(scaling: Scaling, artifacts: Path, journal: Journal) -> None:
    """Draws the reliability diagram as `calibration.png`, and records the figures.

    Args:
        scaling: Answers without and with it.
        artifacts: Folder to write into.
        journal: Gets `calibration/temperature`, `calibration/error` and `calibration/scaled_error` with their 95 %
            intervals; and a line if scaling would help or harm.
    """
    errors = dict(zip(("error", "scaled_error"), scaling.errors, strict=True))
    values = {"calibration/temperature": scaling.temperature}
    for name, found in errors.items():
        values |= {f"calibration/{name}": found.value}
        if math.isfinite(found.low):
            values |= {f"calibration/{name}_low": found.low, f"calibration/{name}_high": found.high}
    journal.log_metrics(values)
    if scaling.effect.distinguishable:
        journal.say(_advice(scaling, *errors.values()))
    reliability_diagram(scaling, artifacts / "calibration.png")


def _advice(scaling: Scaling, without: Estimate, scaled: Estimate) -> str:
    sure = "too sure" if scaling.temperature > 1 else "not sure enough"
    helps = scaling.effect.value > 0
    key = "evaluate.temperature_scaling"
    done = f"the exported model has it ({key})" if scaling.exported else f"{key}: true exports the model with it"
    return (
        f"calibration: on validation the network is {sure} (temperature {scaling.temperature:.2f}); scaled by that, "
        f"its answers to the test examples {'fit better' if helps else 'fit worse'}: calibration error {without} to "
        f"{scaled}; {done if helps or scaling.exported else 'leave it out'}"
    )


def reliability_diagram(scaling: Scaling, path: Path) -> None:
    """Draws accuracy against confidence, with the 95 % interval of each bin, and how confidence is spread.

    Args:
        scaling: Answers without and with scaling.
        path: PNG to write.
    """
    drawn, (reliability, spread) = figure(columns=2)
    reliability.plot([0, 1], [0, 1], color=QUIET, linestyle=":", label="perfect")
    for of, name, colour in (
        (scaling.without, "the network", TRAIN),
        (scaling.scaled, f"at temperature {scaling.temperature:.2f}", VALIDATION),
    ):
        bins = calibration(of)
        counts = np.round(bins.share * len(of.labels)).astype(int)
        ends = [wilson(round(share * n), n) for share, n in zip(bins.accuracy.tolist(), counts.tolist(), strict=True)]
        reliability.vlines(bins.confidence, *zip(*ends, strict=True), color=colour, alpha=0.35)
        reliability.plot(bins.confidence, bins.accuracy, color=colour, marker="o", label=f"{name}: {bins.error:.3f}")
        spread.bar(bins.confidence, bins.share, width=0.025, color=colour, alpha=0.6)
    reliability.set(title="Calibration error", xlabel="confidence", ylabel="accuracy (95 % interval)")
    reliability.legend(frameon=False, fontsize=8)
    spread.set(title="Confidence", xlabel="confidence", ylabel="share of examples", xlim=(0, 1.02))
    save(drawn, path)
