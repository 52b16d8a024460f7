"""The first question of a diagnosis: is this training learning at all? Why not is for the rules."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.section import Section
from pipeline.diagnosis.signals import Column, Signals

Answer = Literal["yes", "too early", "no"]


@dataclass(frozen=True)
class Learning:
    """Whether a training learns, as far as it is known."""

    answer: Answer
    reason: str = ""
    """Why not, in plain words."""
    skill: float = math.nan
    """Score so far, from 0 (the best constant answer) to 1 (nearest neighbours); NaN: nothing to compare with."""
    confidence: float = 1.0

    @property
    def failed(self) -> bool:
        """Whether it is known not to learn."""
        return self.answer == "no"


class FirstQuestion(Section):
    """Compares a training with what needs no training: the best constant answer, and nearest neighbours."""

    min_margin: float = 0.1
    """Nearest neighbours must be so much better than chance for their score to say anything."""
    min_skill: float = 0.8
    """Share of nearest neighbours' margin over chance that a training must have reached at its end."""
    constant_spread: float = 1e-4
    """Standard deviation of the output over the probe, relative to its range, below which the input is ignored."""
    growth: float = 2.0
    """Factor by which the spread must have grown since an earlier reading to count as a sign of life."""
    early: float = 0.05
    """Share of the planned epochs over which an output must have stayed constant."""
    reach: float = 0.1
    """Relative change of the weights over all steps to come below which they end where they are."""
    patience: float = 0.5
    """Share of the planned epochs after which the loss must be below that of the constant answer."""
    min_gain: float = 0.02
    """Share by which the loss must be below it then."""

    def ask(self, signals: Signals) -> Learning:
        """Answers from what is known so far; there must be a reading."""
        skill = self.skill(signals)
        for reason, confidence in (
            (self._broken(signals), 1.0),
            (self._stuck(signals), 0.99),
            (self._constant(signals, skill), 0.95),
            (self._too_slow(signals, skill), 0.95),
            (self._no_better(signals, skill), 0.9),
            (self._ended_low(signals, skill), 0.95),
        ):
            if reason:
                return Learning("no", reason, skill, confidence)
        return Learning("yes" if skill >= self.min_skill else "too early", "", skill)

    def skill(self, signals: Signals) -> float:
        """Places the score between the constant answer (0) and nearest neighbours (1)."""
        facts = signals.facts
        margin = facts.neighbours - facts.chance
        return (signals.score - facts.chance) / margin if margin >= self.min_margin else math.nan

    def _broken(self, signals: Signals) -> str:
        if signals.epochs and not math.isfinite(signals.losses[-1]):
            return f"the loss is {signals.losses[-1]}"
        return "" if signals.last.finite else "the network holds values that are no numbers"

    def _stuck(self, signals: Signals) -> str:
        """No gradient reaches some layer, twice in a row, and the output is the same for every example."""
        if len(signals.readings) < 2 or self._spread(signals, -1) > self.constant_spread:
            return ""
        trainable = np.array([layer.trainable and layer.connected for layer in signals.facts.layers], bool)
        still = (signals.column(Column.ZERO_GRADIENTS)[-2:] == 1).all(axis=0) & trainable
        if not still.any():
            return ""
        return f"no gradient reaches {still.sum()} of {trainable.sum()} layers, and the output is constant"

    def _constant(self, signals: Signals, skill: float) -> str:
        """The output has been the same for every example for a while, without a sign of change."""
        spread = np.array([self._spread(signals, i) for i in range(len(signals.readings))])
        epochs = np.array([reading.epoch for reading in signals.readings])
        since = signals.epoch - max(2.0, self.early * signals.facts.planned_epochs)
        before = np.flatnonzero(epochs <= since)
        if not len(before) or skill > 1 - self.min_skill:
            return ""
        recent = spread[before[-1] :]
        if (recent > self.constant_spread).any() or recent[-1] > self.growth * recent[:-1].min(initial=np.inf):
            return ""
        return f"the output has varied by {recent.max():.1g} over the examples since epoch {epochs[before[-1]]}"

    def _too_slow(self, signals: Signals, skill: float) -> str:
        """At this pace neither the weights nor the loss get anywhere within the plan."""
        facts, losses = signals.facts, signals.losses
        if len(losses) < 3 or skill > 1 - self.min_skill or signals.last.epoch == 0:
            return ""
        steps = max(1, facts.steps_per_epoch) * max(0, facts.planned_epochs - signals.epoch)
        pace = signals.column(Column.UPDATE)[1:].max(axis=0)
        left = (losses[-1] - losses[0]) / (len(losses) - 1) * (facts.planned_epochs - len(losses))
        goal = facts.constant_loss / 2
        if (pace * steps >= self.reach).any() or not losses[-1] + left > goal:
            return ""
        return f"the weights change by {pace.max():.1g} of their size a step"

    def _no_better(self, signals: Signals, skill: float) -> str:
        """After much of the plan the loss is still that of the constant answer."""
        facts = signals.facts
        if signals.progress < self.patience or not facts.constant_loss > 0 or skill > 1 - self.min_skill:
            return ""
        best = min(reading.loss for reading in signals.readings)
        if best < (1 - self.min_gain) * facts.constant_loss:
            return ""
        now, constant = signals.last.loss, facts.constant_loss
        return f"after {signals.epoch} epochs the loss is {now:.3g}; that of a constant answer is {constant:.3g}"

    def _ended_low(self, signals: Signals, skill: float) -> str:
        if not signals.ended or not skill < self.min_skill:
            return ""
        facts = signals.facts
        return (
            f"it ended at {signals.score:.3g}; nearest neighbours get {facts.neighbours:.3g}, chance {facts.chance:.3g}"
        )

    def _spread(self, signals: Signals, index: int) -> float:
        """Spread of the output, for values relative to that of the labels."""
        return signals.readings[index].spread
