"""Pictures of a run: what is marked in them."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.figures import QUIET, learning_curves
from pipeline.training.history import History, joined


def history(first: int, count: int) -> History:
    epochs = [{"epoch": first + i, "loss": 1.0, "val_loss": 2.0} for i in range(count)]
    return History(epochs, best_epoch=first + count - 1, examples_per_sec=1.0)


def quiet_columns(path: Path) -> np.ndarray:
    """Columns of a picture in which most of the panel is of the colour of marks."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    colour = np.array([int(QUIET[i : i + 2], 16) for i in (1, 3, 5)])
    return np.flatnonzero((np.abs(pixels - colour).max(axis=2) < 40).mean(axis=0) > 0.5)


@pytest.mark.parametrize("starts", [(), (3,), (3, 5)])
def test_a_line_parts_the_phases_of_transfer_learning(starts: tuple[int, ...], tmp_path: Path) -> None:
    bounds = [0, *starts, 8]
    phases = [history(first, end - first) for first, end in itertools.pairwise(bounds)]
    whole = joined(phases, phases[-1])
    assert whole.phase_starts == starts
    learning_curves(whole.epochs, whole.best_epoch, tmp_path / "curves.png", phase_starts=whole.phase_starts)
    columns = quiet_columns(tmp_path / "curves.png")
    assert len(np.flatnonzero(np.diff(columns, prepend=-9) > 1)) == len(starts)
