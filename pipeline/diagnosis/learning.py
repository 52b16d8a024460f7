"""The first question of a diagnosis: is this training learning at all? Why not is for the rules."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

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
    """Compares a training with what needs no training: the best constant answer, and nearest neighbours.

    Where neighbours say nothing, since they are no better than a constant answer or there are none (text, several
    labels at once), a training is known not to learn only if neither its loss nor its score beats that of not knowing.
    """

    source: ClassVar[str] = (
        "Karpathy 2019, A Recipe for Training Neural Networks (the constant answer); Cover and Hart 1967 (nearest "
        "neighbours); the thresholds are ours, set on the development half of the corpus below"
    )
    """Where it is from."""

    min_margin: float = 0.1
    """Nearest neighbours must be so much better than chance for their score to say anything."""
    min_skill: float = 0.85
    """Share of nearest neighbours' margin over chance that a training must have reached at its end."""
    constant_spread: float = 1e-4
    """Standard deviation of the output over the probe, relative to its range, below which the input is ignored."""
    growth: float = 2.0
    """Factor by which the spread must have grown since an earlier reading to count as a sign of life."""
    resolution: float = 1e-7
    """Spread that rounding in float32 leaves; below, growth is no sign of anything."""
    early: float = 0.05
    """Share of the planned epochs over which an output must have stayed constant; after as many, at least two, there is
    another look where the last gave cause for doubt."""
    soon: float = 0.1
    """Share of the planned epochs after which a training that did nothing but harm is given up."""
    harm: float = 1.5
    """Loss on the probe that counts as harm, relative to that before the first step and a constant answer's."""
    soonest: int = 3
    """Epochs below which no training is given up for the harm it did: the first steps may do some."""
    reach: float = 0.1
    """Relative change of the weights over all steps of the plan below which they end where they began."""
    patience: float = 0.3
    """Share of the planned epochs after which something must have been learnt, or be about to."""
    min_means: int = 6
    """Means of five epochs, one an epoch from the fifth on, below which nothing can be said of a trend."""
    half_way: float = 0.5
    """Skill above which something has been learnt."""
    min_gain: float = 0.1
    """Gain of skill over the last third of the epochs that counts as being about to."""
    min_fall: float = 0.02
    """Fall of the training loss over the last third, relative to the constant answer's, that counts as well."""
    min_score: float = 0.1
    """Share of the way from chance to a perfect score that counts as learnt where neighbours say nothing."""
    shortest: int = 5
    """Epochs below which a training was too short to be called sick for where it got."""
    max_loss: float = 10.0
    """Loss on the probe, relative to that of a constant answer, above which it is worthless whatever the accuracy."""

    def ask(self, signals: Signals) -> Learning:
        """Answers from what is known so far; there must be a reading."""
        skill = self.skill(signals)
        broken = self._broken(signals)
        if not broken and not signals.is_score_known:
            return Learning("too early", "", skill)
        for reason, confidence in (
            (broken, 1.0),
            (self._stuck(signals), 0.99),
            (self._constant(signals, skill), 0.95),
            (self._harmed(signals), 0.95),
            (self._too_slow(signals, skill), 0.95),
            (self._standing_still(signals, skill), 0.95),
            (self._no_better(signals, skill), 0.9),
            (self._ended_low(signals, skill), 0.95),
        ):
            if reason:
                return Learning("no", reason, skill, confidence)
        return Learning("yes" if skill >= self.min_skill else "too early", "", skill)

    def skill(self, signals: Signals) -> float:
        """Places the score between the constant answer (0) and nearest neighbours (1)."""
        return self.skill_of(signals, signals.score)

    def skill_of(self, signals: Signals, score: float) -> float:
        """Places any score so."""
        facts = signals.facts
        margin = facts.neighbours - facts.chance
        return float(score - facts.chance) / margin if margin >= self.min_margin else math.nan

    def looks_again(self, signals: Signals, epoch: int, *, judged: bool) -> bool:
        """Whether another look is worth what it costs: the last one saw no output that varies, or harm.

        Args:
            signals: Up to the epoch before.
            epoch: Epochs completed now.
            judged: Whether the rules are asked anyway; else a while must have passed since the last look.
        """
        doubtful = self._spread(signals, -1) <= self.constant_spread or self._is_harmed(signals)
        last = max(signals.last.epoch, signals.first_epoch)
        return doubtful and (judged or epoch - last >= self._constant_epochs(signals))

    def _broken(self, signals: Signals) -> str:
        if signals.is_loss_broken:
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
        """The output has been the same for every example for a while, and still is, without a sign of change."""
        if not signals.is_just_read:
            return ""
        spread = np.array([self._spread(signals, i) for i in range(len(signals.readings))])
        epochs = np.array([max(reading.epoch, signals.first_epoch) for reading in signals.readings])
        before = np.flatnonzero(epochs <= signals.epoch - self._constant_epochs(signals))
        if not len(before) or skill > 1 - self.min_skill:
            return ""
        recent = spread[before[-1] :]
        # Spreads of values are relative to that of the labels, not to what rounding leaves.
        rounding = 0.0 if signals.facts.label_spread > 0 else self.resolution
        least = max(rounding, recent[:-1].min(initial=np.inf))
        if (recent > self.constant_spread).any() or recent[-1] > self.growth * least:
            return ""
        return f"the output has varied by {recent.max():.1g} over the examples since epoch {epochs[before[-1]]}"

    def _harmed(self, signals: Signals) -> str:
        """Nothing was learnt, or is about to be, and the loss is far higher than before the first step."""
        if not signals.is_just_read or signals.progress < self.soon or len(signals.epochs) < self.soonest:
            return ""
        if not self._is_harmed(signals) or self._may_learn(signals, self._worst_loss(signals)):
            return ""
        times = signals.last.loss / signals.facts.constant_loss
        return f"after {signals.epoch} epochs its loss is {times:.2g} times that of a constant answer, and was lower"

    def _is_harmed(self, signals: Signals) -> bool:
        """Whether the loss on the probe is far above that before the first step, and that of a constant answer."""
        worst = max(signals.first.loss, self._worst_loss(signals))
        return signals.facts.constant_loss > 0 and signals.last.loss > self.harm * worst

    def _too_slow(self, signals: Signals, skill: float) -> str:
        """At this pace neither the weights nor the loss get anywhere within the plan."""
        facts, losses = signals.facts, signals.losses
        if len(losses) < 3 or skill > 1 - self.min_skill or len(signals.readings) < 2 or not facts.layers:
            return ""
        steps = max(1, facts.steps_per_epoch) * signals.planned_epochs
        pace = np.nan_to_num(signals.column(Column.UPDATE)[1:].astype("float64"), nan=1.0).max(axis=0)
        left = (losses[-1] - losses[0]) / (len(losses) - 1) * (signals.planned_epochs - len(losses))
        goal = facts.constant_loss / 2
        if (pace * steps >= self.reach).any() or not losses[-1] + left > goal:
            return ""
        return f"the weights change by {pace.max():.1g} of their size a step"

    def _standing_still(self, signals: Signals, skill: float) -> str:
        """After much of the plan little was learnt, and nothing lately."""
        best = signals.best_scores
        if signals.progress < self.patience or len(best) < self.min_means or math.isnan(skill):
            return ""
        now, before = (self.skill_of(signals, score) for score in (best[-1], best[(len(best) - 1) * 2 // 3]))
        if now >= self.half_way or now - before >= self.min_gain or self._fall(signals) >= self.min_fall:
            return ""
        return (
            f"after {signals.epoch} epochs it has come {max(0.0, now):.0%} of the way from chance to nearest neighbours"
        )

    def _no_better(self, signals: Signals, skill: float) -> str:
        """Where the skill is unknown: after much of the plan neither loss nor score beat a constant answer."""
        facts = signals.facts
        if not math.isnan(skill) or not signals.is_just_read:
            return ""
        if signals.progress < self.patience or len(signals.epochs) < self.shortest:
            return ""
        worst = facts.constant_loss if facts.task == "labels" else self._worst_loss(signals)
        if not signals.last.loss >= worst > 0 or self._may_learn(signals, worst):
            return ""
        return f"after {signals.epoch} epochs neither its loss nor its score is better than a constant answer's"

    def _may_learn(self, signals: Signals, worst: float) -> bool:
        """Whether score or training loss were ever better than at chance, or the loss falls, or it is unknown."""
        best, chance = float(signals.best_scores[-1]), signals.facts.chance
        skill = self.skill_of(signals, best)
        low = best - chance <= self.min_score * (1 - chance) if math.isnan(skill) else skill <= 1 - self.min_skill
        return not (low and signals.losses.min() >= worst and self._fall(signals) < self.min_fall)

    def _ended_low(self, signals: Signals, skill: float) -> str:
        facts = signals.facts
        if not signals.ended or len(signals.epochs) < self.shortest:
            return ""
        if skill < self.min_skill:
            reference = f"nearest neighbours get {facts.neighbours:.3g}, chance {facts.chance:.3g}"
            return f"it ended at {signals.score:.3g}; {reference}"
        worst = self._worst_loss(signals)
        if signals.last.loss > self.max_loss * worst > 0:
            return f"its loss on the probe is {signals.last.loss / worst:.2g} times that of a constant answer"
        return ""

    def _worst_loss(self, signals: Signals) -> float:
        """Loss that a training must not exceed: a constant answer's, or that of not knowing where it is higher.

        Where classes are rare, a constant answer is nearly perfect, and one that weighs them may well lose to it.
        """
        facts = signals.facts
        unknowing = math.log(max(2, facts.num_classes)) if facts.task in ("classes", "binary", "labels") else 0.0
        return float(max(facts.constant_loss, unknowing))

    def _fall(self, signals: Signals) -> float:
        """Fall of the training loss over the last third of the epochs, relative to the constant answer's."""
        losses = np.minimum.accumulate(signals.losses)
        return float((losses[len(losses) * 2 // 3] - losses[-1]) / max(signals.facts.constant_loss, losses[-1]))

    def _constant_epochs(self, signals: Signals) -> float:
        """Epochs over which an output must stay constant."""
        return max(2.0, self.early * signals.planned_epochs)

    def _spread(self, signals: Signals, index: int) -> float:
        """Spread of the output, for values relative to that of the labels."""
        spread, size = signals.readings[index].spread, signals.facts.label_spread
        return spread / size if size > 0 else spread
