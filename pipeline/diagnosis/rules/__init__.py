"""The rules, one file each: causes before consequences, since the first finding is the one to blame."""

from pipeline.diagnosis.rules.class_collapse import ClassCollapse
from pipeline.diagnosis.rules.dead_layer import DeadLayer
from pipeline.diagnosis.rules.diverging import Diverging
from pipeline.diagnosis.rules.dying_relu import DyingRelu
from pipeline.diagnosis.rules.exploding_gradient import ExplodingGradient
from pipeline.diagnosis.rules.frozen_weights import FrozenWeights
from pipeline.diagnosis.rules.improper_activation import ImproperActivation
from pipeline.diagnosis.rules.input_bound import InputBound
from pipeline.diagnosis.rules.label_noise import LabelNoise
from pipeline.diagnosis.rules.loss_scale_collapse import LossScaleCollapse
from pipeline.diagnosis.rules.memory_limit import MemoryLimit
from pipeline.diagnosis.rules.non_finite import NonFinite
from pipeline.diagnosis.rules.not_converging import NotConverging
from pipeline.diagnosis.rules.oscillating_loss import OscillatingLoss
from pipeline.diagnosis.rules.overfitting import Overfitting
from pipeline.diagnosis.rules.plateau import Plateau
from pipeline.diagnosis.rules.poor_initialization import PoorInitialization
from pipeline.diagnosis.rules.poor_optimum import PoorOptimum
from pipeline.diagnosis.rules.rule import Rule
from pipeline.diagnosis.rules.saturated_activation import SaturatedActivation
from pipeline.diagnosis.rules.slow_convergence import SlowConvergence
from pipeline.diagnosis.rules.too_large_steps import TooLargeSteps
from pipeline.diagnosis.rules.underfitting import Underfitting
from pipeline.diagnosis.rules.unreached_weights import UnreachedWeights
from pipeline.diagnosis.rules.unscaled_input import UnscaledInput
from pipeline.diagnosis.rules.vanishing_gradient import VanishingGradient
from pipeline.diagnosis.rules.wrong_labels import WrongLabels

RULES: tuple[Rule, ...] = (
    WrongLabels(),
    ImproperActivation(),
    UnreachedWeights(),
    UnscaledInput(),
    PoorInitialization(),
    TooLargeSteps(),
    FrozenWeights(),
    ExplodingGradient(),
    NonFinite(),
    DyingRelu(),
    DeadLayer(),
    SaturatedActivation(),
    VanishingGradient(),
    Diverging(),
    OscillatingLoss(),
    ClassCollapse(),
    Overfitting(),
    LabelNoise(),
    SlowConvergence(),
    Plateau(),
    Underfitting(),
    NotConverging(),
    LossScaleCollapse(),
    MemoryLimit(),
    InputBound(),
    PoorOptimum(),
)
"""All rules, in the order in which their findings are named."""

SYMPTOMS = tuple(rule.symptom for rule in RULES)
"""The vocabulary of findings."""
