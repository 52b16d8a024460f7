"""Rule: loss-scale collapse."""

from collections.abc import Iterator

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import CLIP, FLOAT32
from pipeline.diagnosis.rules.rule import Rule
from pipeline.diagnosis.signals import Signals


class LossScaleCollapse(Rule):
    """Under mixed_float16 the loss scale keeps being halved: gradients overflow whatever the scale."""

    symptom = "loss_scale_collapse"
    source = "Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740"
    shows = "loss_scale"
    remedies = (FLOAT32, CLIP)

    min_scale: float = 1.0
    """Loss scale; it starts at 32,768."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Looks at the scale that is known last."""
        scale = signals.latest("loss_scale")
        if scale < self.min_scale:
            yield self.finding(
                signals, "warning", f"The loss scale has fallen to {scale:g}.", evidence={"loss scale": scale}
            )
