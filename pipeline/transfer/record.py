"""What of a network was loaded, what is new, what is frozen when: for the reader of a run."""

import json
from collections.abc import Sequence
from pathlib import Path

import keras

from models.transfer import pretrained_layers
from pipeline.journal import Journal
from pipeline.transfer.phases import Phase


def record_transfer(
    network: keras.Model, phases: Sequence[Phase], left_out: Sequence[str], source: str, file: Path, journal: Journal
) -> None:
    """Writes `transfer.json` and says the same in a few lines.

    Args:
        network: What `build_transfer` gave.
        phases: What `plan_phases` gave.
        left_out: Layers of the source that were not taken.
        source: Where the pretrained network comes from, as the recipe says it.
        file: Where to write.
        journal: Gets the lines and the file.
    """
    loaded = pretrained_layers(network)
    new = [layer for layer in network.layers if layer.name != "pretrained" and layer.weights]
    tree = {
        "source": source,
        "loaded": _counted(loaded),
        "left_out": list(left_out),
        "new": _counted(new),
        "phases": [
            {
                "name": phase.name,
                "epochs": phase.section.epochs,
                "learning_rate": phase.section.optimizer.learning_rate,
                "frozen": [layer.name for layer in loaded[: len(loaded) - phase.num_unfrozen]],
                "trained": [layer.name for layer in (*loaded[len(loaded) - phase.num_unfrozen :], *new)],
            }
            for phase in phases
        ],
    }
    file.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
    journal.log_artifact(file)
    journal.say(f"loaded from {source}: {_in_words(loaded)}; left out there: {', '.join(left_out) or 'nothing'}")
    journal.say(f"new: {_in_words(new)}")
    for phase in phases:
        num_frozen = len(loaded) - phase.num_unfrozen
        journal.say(
            f"{phase.name}: {phase.section.epochs} epochs at most, frozen: {_in_words(loaded[:num_frozen])}; trained: "
            f"{_in_words([*loaded[num_frozen:], *new])}"
        )


def _counted(layers: Sequence[keras.Layer]) -> list[dict[str, object]]:
    return [{"layer": layer.name, "parameters": layer.count_params()} for layer in layers]


def _in_words(layers: Sequence[keras.Layer]) -> str:
    """Count and names; of many the first and the last."""
    if not layers:
        return "nothing"
    names = [layer.name for layer in layers]
    shown = ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:3])}, …, {names[-1]}"
    parameters = sum(layer.count_params() for layer in layers)
    return f"{len(names)} layer{'s' * (len(names) > 1)} with {parameters:,} parameters ({shown})"
