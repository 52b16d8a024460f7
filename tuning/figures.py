"""Pictures of a study: its history, what matters, slices, parallel coordinates."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes

from pipeline.figures import QUIET, TRAIN, VALIDATION, figure, save
from pipeline.recipe.tune import Float, Int, ParameterConfig
from tuning.importance import Importance, encode
from tuning.space import Space
from tuning.study import Study, Trial, ranked

MAX_PANELS = 12
"""Keys that are drawn, the first ones."""


def draw_study(study: Study, space: Space, direction: str, found: Importance | None) -> list[Path]:
    """Draws what the trials so far allow.

    Returns:
        The PNG files, in the study's folder.
    """
    return list(_drawn(study, space, direction, found))


def _drawn(study: Study, space: Space, direction: str, found: Importance | None) -> Iterator[Path]:
    assert study.recipe.tune is not None
    trials, name = study.trials(), study.recipe.tune.objective
    scored = sorted(ranked(trials, direction), key=lambda trial: trial.number)
    if not scored:
        return
    keys = list(space.parameters)[:MAX_PANELS]
    yield _history(trials, scored, direction, name, study.folder / "history.png")
    yield _slices(scored, space, keys, name, study.folder / "slices.png")
    yield _parallel(scored, space, keys, direction, name, study.folder / "parallel_coordinates.png")
    if found:
        yield _importance(found, study.folder / "importance.png")


def _history(trials: list[Trial], scored: list[Trial], direction: str, name: str, path: Path) -> Path:
    drawn, (axis,) = figure(width=7, height=3.6)
    numbers, scores = [trial.number for trial in scored], _scores(scored)
    best = (np.minimum if direction == "min" else np.maximum).accumulate(scores)
    axis.plot(numbers, scores, "o", color=TRAIN, label="trial")
    axis.step(numbers, best, where="post", color=VALIDATION, label="best so far")
    failed = [trial.number for trial in trials if trial.result and trial.result.score is None]
    if failed:
        axis.plot(failed, np.full(len(failed), axis.get_ylim()[0]), "x", color=QUIET, label="failed")
    axis.set(title="History", xlabel="trial", ylabel=name)
    axis.legend(frameon=False)
    save(drawn, path)
    return path


def _slices(scored: list[Trial], space: Space, keys: list[str], name: str, path: Path) -> Path:
    columns = min(len(keys), 3)
    drawn, axes = figure(-(-len(keys) // columns), columns, width=3.6, height=3)
    for axis, key in zip(axes, keys, strict=False):
        active = [trial for trial in scored if key in trial.job.point]
        axis.scatter(_places(active, space, key), _scores(active), c=[t.number for t in active], cmap="Blues", vmin=-5)
        axis.set(title=key, ylabel=name)
        _name_values(axis, space.parameters[key])
    for axis in axes[len(keys) :]:
        axis.set_axis_off()
    save(drawn, path)
    return path


def _parallel(scored: list[Trial], space: Space, keys: list[str], direction: str, name: str, path: Path) -> Path:
    """Each trial is a line through its values, each from the lowest to the highest; the best are dark."""
    names = [*keys, name]
    drawn, (axis,) = figure(width=max(5.0, 1.8 * len(names)), height=4)
    scores = _scores(scored)
    ranks = np.argsort(np.argsort(scores if direction == "max" else -scores)) / max(len(scored) - 1, 1)
    for trial, score, rank in zip(scored, scores, ranks, strict=True):
        line = [_share(space.parameters[key], encode(space.parameters[key], trial.job.point, key)) for key in keys]
        line.append(float((score - scores.min()) / (np.ptp(scores) or 1)))
        axis.plot(range(len(names)), line, color=colormaps["Blues"](0.2 + 0.8 * rank), linewidth=1 + 1.5 * rank)
    for place, key in enumerate(names):
        axis.axvline(place, color=QUIET, linewidth=0.8)
        low, high = _limits(space.parameters[key]) if key in space.parameters else (scores.min(), scores.max())
        axis.text(place, -0.06, f"{low:.3g}" if isinstance(low, float) else str(low), ha="center", fontsize=8)
        axis.text(place, 1.03, f"{high:.3g}" if isinstance(high, float) else str(high), ha="center", fontsize=8)
    axis.set_xticks(range(len(names)), names, rotation=15, ha="right", fontsize=8)
    axis.set_yticks([])
    axis.set(title="Trials, the best dark", ylim=(-0.1, 1.1))
    save(drawn, path)
    return path


def _importance(found: Importance, path: Path) -> Path:
    drawn, (axis,) = figure(width=6, height=1.4 + 0.35 * len(found.shares))
    keys = list(reversed(found.shares))
    axis.barh(keys, [found.shares[key] for key in keys], color=TRAIN)
    axis.set(
        title=f"Permutation importance (the forest explains {max(found.explained, 0):.0%} of unseen trials)",
        xlabel="share",
    )
    save(drawn, path)
    return path


def _scores(trials: list[Trial]) -> np.ndarray:
    return np.array([trial.result.score for trial in trials if trial.result], dtype=float)


def _places(trials: list[Trial], space: Space, key: str) -> list[float]:
    parameter = space.parameters[key]
    if isinstance(parameter, Int | Float):
        return [float(trial.job.point[key]) for trial in trials]
    return [encode(parameter, trial.job.point, key) for trial in trials]


def _name_values(axis: Axes, parameter: ParameterConfig) -> None:
    if isinstance(parameter, Int | Float):
        if parameter.log:
            axis.set_xscale("log")
        return
    names = _value_names(parameter)
    axis.set_xticks(range(len(names)), names)


def _value_names(parameter: ParameterConfig) -> list[str]:
    values = (False, True) if parameter.type == "boolean" else getattr(parameter, "values", ())
    return [str(value) for value in values]


def _limits(parameter: ParameterConfig) -> tuple[object, object]:
    if isinstance(parameter, Int | Float):
        return parameter.low, parameter.high
    names = _value_names(parameter)
    return names[0], names[-1]


def _share(parameter: ParameterConfig, encoded: float) -> float:
    """Where a value lies between the ends of its range; below them where the key is not active."""
    if isinstance(parameter, Int | Float):
        low, high = (float(np.log(end)) if parameter.log else float(end) for end in (parameter.low, parameter.high))
        return (encoded - low) / (high - low) if encoded != -1.0 or low <= -1.0 else -0.05
    count = len(_value_names(parameter))
    return encoded / max(count - 1, 1) if encoded >= 0 else -0.05
