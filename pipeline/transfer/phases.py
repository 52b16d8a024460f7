"""The phases of transfer learning, one after another: the head alone, then more and more layers below it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol

import keras

from models.transfer import pretrained_layers, split_network
from pipeline.batches import Batches
from pipeline.diagnosis.record import Tree
from pipeline.errors import UserError
from pipeline.journal import Journal
from pipeline.recipe.fine_tuning import FineTuningConfig
from pipeline.recipe.phases import even_shares, phase_sections
from pipeline.recipe.train import MIN_DIAGNOSED, TrainConfig, direction, trained_epochs
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.history import History, joined
from pipeline.training.saving import Saver
from pipeline.transfer.rates import depth_factors

KEPT = "kept"
"""What the weights that a phase begins with are called in a checkpoint."""


@dataclass(frozen=True)
class Phase:
    """A part of a training, with layers of its own that train."""

    name: str
    section: TrainConfig
    """How it trains: epochs and learning rate are its own."""
    num_unfrozen: int
    """Pretrained layers with weights that train, from the top."""
    depth_factor: float = 1.0
    """Rate of each of them as a share of that of the one above it."""


class Data(NamedTuple):
    """What `fit` goes through."""

    training: Batches
    validation: Batches


class Cached(NamedTuple):
    """Features in place of images."""

    data: Data
    examples_per_sec: float
    """How many examples the frozen part takes in a second."""
    place: str
    """memory or disk."""


class Learn(Protocol):
    """Compiles and fits: `pipeline.training.train` hands it over."""

    def __call__(
        self,
        network: keras.Model,
        section: TrainConfig,
        data: Data,
        *,
        first_epoch: int = 0,
        phase: int = 0,
        earlier: Sequence[Tree] = (),
        later_epochs: int = 0,
        factors: Mapping[Any, float] | None = None,
    ) -> History:
        """Fits the trainable layers of `network` in a phase; `factors` multiply the learning rate of variables.

        What was found in the phases before, `earlier`, stays found; it is judged as a part of a plan that goes on for
        `later_epochs`.
        """
        ...


def plan_phases(train: TrainConfig, layers: Sequence[str]) -> list[Phase]:
    """Says what trains when.

    Args:
        train: The recipe's `train` section.
        layers: Names of the pretrained layers with weights, from the input up.

    Raises:
        UserError: If there is no such layer to unfreeze from, or fewer layers than steps to unfreeze them in.
    """
    head, *steps = phase_sections(train)
    phases = [Phase("head", head, 0)]
    if tuning := train.fine_tuning:
        shares = even_shares(_num_unfrozen(tuning, layers), len(steps))
        if not shares[0]:
            raise UserError(
                f"train.fine_tuning.gradual_steps: expected no more than the layers to unfreeze, {sum(shares)}. "
                f"Received: {len(steps)}"
            )
        for i, section in enumerate(steps, start=1):
            name = "fine-tuning" if len(steps) == 1 else f"fine-tuning {i} of {len(steps)}"
            phases.append(Phase(name, section, sum(shares[-i:]), tuning.depth_factor))
    return phases


def fit_phases(
    network: keras.Model,
    phases: Sequence[Phase],
    data: Data,
    *,
    learn: Learn,
    cache: Callable[[keras.Model], Cached] | None,
    saver: Saver,
    journal: Journal,
) -> History:
    """Fits one phase after another; leaves the best weights of all phases in `network`, and all its layers trainable.

    A phase that its diagnosis ended is the last one.

    Args:
        network: What `build_transfer` gave.
        phases: What `plan_phases` gave.
        data: Images.
        learn: Compiles and fits.
        cache: Computes the features of the frozen part, for the phase in which all of it is frozen; None: something
            random comes before it, so that they differ from epoch to epoch.
        saver: Has the checkpoint to go on from; is told what is left of the phases that have ended.
        journal: Is told what trains, and how much the features in store save.
    """
    histories, kept = _ended(network, saver.found)
    for number, phase in enumerate(phases[len(histories) :], start=len(histories)):
        unfrozen = unfreeze(network, phase.num_unfrozen)
        first_epoch = sum(len(history.epochs) for history in histories)
        before = [variable.numpy() for variable in network.variables]
        if kept:
            saver.carried = (
                {f"{KEPT}/{i}": value for i, value in enumerate(before)},
                {"phases": [asdict(history) for history in histories], "kept": histories.index(kept)},
            )
        later = [trained_epochs(each.section) for each in phases[number + 1 :]]
        later_epochs = sum(epochs for epochs in later if epochs >= MIN_DIAGNOSED)
        if cache and not phase.num_unfrozen:
            history = _fit_head(network, phase, cache, learn, journal, later_epochs)
        else:
            factors = depth_factors(unfrozen, phase.depth_factor) if phase.depth_factor < 1 else None
            earlier = histories[-1].findings if histories else ()
            history = learn(
                network,
                phase.section,
                data,
                first_epoch=first_epoch,
                phase=number,
                earlier=earlier,
                later_epochs=later_epochs,
                factors=factors,
            )
        histories.append(history)
        if kept and not _improves(phase.section, history, kept):
            journal.say(f"{phase.name}: no epoch better than epoch {kept.best_epoch}; its weights stay")
            for variable, value in zip(network.variables, before, strict=True):
                variable.assign(value)
        else:
            kept = history
        if history.stopped:
            journal.say(f"{phase.name}: ended as sick, and the training with it (train.on_sick: stop)")
            break
    assert kept is not None
    network.trainable = True
    return joined(histories, kept)


def _ended(network: keras.Model, found: Checkpoint | None) -> tuple[list[History], History | None]:
    """The histories of the phases that had ended at a checkpoint, and the one whose weights were kept: put back."""
    if found is None or not found.place.phase:
        return [], None
    for i, variable in enumerate(network.variables):
        variable.assign(found.arrays[f"{KEPT}/{i}"])
    histories = [History(**each) for each in found.facts["phases"]]
    return histories, histories[found.facts["kept"]]


def unfreeze(network: keras.Model, count: int) -> list[keras.Layer]:
    """Makes the uppermost pretrained layers trainable and freezes those below.

    Args:
        network: What `build_transfer` gave; to be compiled anew.
        count: How many layers with weights train, from the top.

    Returns:
        Those layers, from the input up.
    """
    layers = pretrained_layers(network)
    unfrozen = layers[len(layers) - count :]
    network.get_layer("pretrained").trainable = bool(count)
    for layer in layers:
        layer.trainable = layer in unfrozen
    return unfrozen


def _fit_head(
    network: keras.Model,
    phase: Phase,
    cache: Callable[[keras.Model], Cached],
    learn: Learn,
    journal: Journal,
    later_epochs: int,
) -> History:
    """Fits the head on features computed once."""
    extractor, head = split_network(network)
    cached = cache(extractor)
    history = learn(head, phase.section, cached.data, later_epochs=later_epochs)
    saved = 1 + history.examples_per_sec / cached.examples_per_sec
    journal.say(
        f"{phase.name}: features of the frozen part computed once, at {cached.examples_per_sec:,.0f} examples/s, and "
        f"kept {cached.place}; an epoch took about {saved:.1f} times less than with the frozen part in it"
    )
    return history


def _num_unfrozen(tuning: FineTuningConfig, layers: Sequence[str]) -> int:
    if tuning.from_layer is None:
        return math.ceil((tuning.fraction or 1.0) * len(layers))
    if tuning.from_layer not in layers:
        raise UserError(
            f"train.fine_tuning.from_layer: expected a pretrained layer with weights: {', '.join(layers)}. "
            f"Received: {tuning.from_layer!r}"
        )
    return len(layers) - layers.index(tuning.from_layer)


def _improves(section: TrainConfig, history: History, kept: History) -> bool:
    """Whether a phase ends with better weights than the ones before it, as early stopping counts; else always."""
    stopping = section.early_stopping
    if stopping is None:
        return True
    now, before = history.best[stopping.monitor], kept.best[stopping.monitor]
    gain = now - before if direction(stopping.monitor) == "max" else before - now
    return bool(gain > stopping.min_delta)
