"""The checks, one file each, in the order in which they are listed."""

from pipeline.diagnosis.preflight.check import Check
from pipeline.diagnosis.preflight.checks.batch_norm import BatchNorm
from pipeline.diagnosis.preflight.checks.class_balance import ClassBalance
from pipeline.diagnosis.preflight.checks.frozen_layers import FrozenLayers
from pipeline.diagnosis.preflight.checks.gradients_by_depth import GradientsByDepth
from pipeline.diagnosis.preflight.checks.initial_loss import InitialLoss
from pipeline.diagnosis.preflight.checks.input_scale import InputScale
from pipeline.diagnosis.preflight.checks.labels import LabelCoding
from pipeline.diagnosis.preflight.checks.leakage import Leakage
from pipeline.diagnosis.preflight.checks.learning_rate import LearningRate
from pipeline.diagnosis.preflight.checks.one_batch import OneBatch
from pipeline.diagnosis.preflight.checks.output_activation import OutputActivation
from pipeline.diagnosis.preflight.checks.reached_weights import ReachedWeights
from pipeline.diagnosis.preflight.checks.save_and_load import SaveAndLoad
from pipeline.diagnosis.preflight.checks.signals_by_depth import SignalsByDepth

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
