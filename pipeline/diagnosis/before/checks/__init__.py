"""The checks, one file each, in the order in which they are listed."""

from pipeline.diagnosis.before.check import Check
from pipeline.diagnosis.before.checks.batch_norm import BatchNorm
from pipeline.diagnosis.before.checks.class_balance import ClassBalance
from pipeline.diagnosis.before.checks.frozen_layers import FrozenLayers
from pipeline.diagnosis.before.checks.gradients_by_depth import GradientsByDepth
from pipeline.diagnosis.before.checks.initial_loss import InitialLoss
from pipeline.diagnosis.before.checks.input_scale import InputScale
from pipeline.diagnosis.before.checks.labels import LabelCoding
from pipeline.diagnosis.before.checks.leakage import Leakage
from pipeline.diagnosis.before.checks.learning_rate import LearningRate
from pipeline.diagnosis.before.checks.one_batch import OneBatch
from pipeline.diagnosis.before.checks.output_activation import OutputActivation
from pipeline.diagnosis.before.checks.reached_weights import ReachedWeights
from pipeline.diagnosis.before.checks.save_and_load import SaveAndLoad
from pipeline.diagnosis.before.checks.signals_by_depth import SignalsByDepth

CHECKS: tuple[Check, ...] = (
    LabelCoding(),
    ClassBalance(),
    Leakage(),
    InputScale(),
    OutputActivation(),
    InitialLoss(),
    SignalsByDepth(),
    GradientsByDepth(),
    ReachedWeights(),
    FrozenLayers(),
    LearningRate(),
    BatchNorm(),
    OneBatch(),
    SaveAndLoad(),
)
"""All checks: the data first, then the network, then the plan, then what takes some steps."""
