"""A run that is stopped in its training goes on as the same run when the same command is given again."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.execution import RunResult, plan, run
from pipeline.journal import read_journal
from pipeline.recipe.load import load_recipe
from pipeline.recipe.tree import Recipe
from pipeline.training.interruption import TrainingStoppedError


def recipe(folder: Path, *overrides: str) -> Recipe:
    if not (folder / "data.csv").exists():
        random = np.random.Generator(np.random.PCG64(0))
        lines = [f"{a:.3f},{b:.3f},{'yes' if a > b else 'no'}" for a, b in random.normal(size=(200, 2))]
        (folder / "data.csv").write_text("\n".join(["a,b,label", *lines]))
    tree = {
        "name": "resumed",
        "data": {"type": "csv", "path": str(folder / "data.csv"), "label": "label", "batch_size": 16},
        "model": {"type": "mlp", "units": [8], "dropout": 0.2},
        "train": {"epochs": 3, "early_stopping": {"monitor": "val_loss", "patience": 3}},
        "tracking": {"directory": str(folder / "mlruns"), "uri": f"sqlite:///{folder}/mlflow.db"},
    }
    return load_recipe(tree, overrides)


def stop_in_first_epoch(record: dict[str, Any]) -> None:
    if record["kind"] == "metrics" and record["step"] == 0:
        os.kill(os.getpid(), signal.SIGTERM)


def fingerprint(result: RunResult) -> str:
    return next(outcome.entry.result.fingerprint for outcome in result.outcomes if outcome.name == "train")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, place_store: Callable[[Path], str]) -> Path:
    """Folder of a run that was stopped after its first epoch."""
    folder = tmp_path_factory.mktemp("stopped")
    place_store(folder)
    with pytest.raises(TrainingStoppedError, match="143"):
        run(recipe(folder), until="train", listener=stop_in_first_epoch)
    return folder


def test_another_recipe_is_refused_where_the_user_asked_to_go_on(stopped: Path) -> None:
    with pytest.raises(UserError, match=r"stands at epoch 1, step 0; .* model\.dropout 0\.2 → 0\.3"):
        run(recipe(stopped, "model.dropout=0.3"), until="train", resume=True)


@pytest.mark.slow
def test_the_same_run_goes_on_to_the_end_that_it_would_have_had_and_then_for_more_epochs(
    stopped: Path, tmp_path: Path, place_store: Callable[[Path], str]
) -> None:
    place_store(tmp_path)
    (begun,) = (path.name for path in (stopped / "mlruns" / "runs").iterdir() if not path.name.startswith("."))
    reason = f"goes on from epoch 1, step 0 of run {begun[:8]}"
    assert plan(recipe(stopped), until="train")[-1].reason == reason
    done = run(recipe(stopped), until="train", resume=True)
    assert (done.run_id, done.outcomes[-1].reason) == (begun, reason)
    assert fingerprint(done) == fingerprint(run(recipe(tmp_path), until="train"))
    recorded = [
        record["step"]
        for record in read_journal(stopped / "mlruns" / "runs" / begun / "journal.jsonl")
        if record["kind"] == "metrics" and "val_loss" in record["values"] and record["run"] == ""
    ]
    assert recorded == [0, 1, 2]

    longer = run(recipe(stopped, "train.epochs=5"), until="train")
    assert longer.outcomes[-1].reason == f"train.epochs 3 → 5: goes on from epoch 3, step 0 of run {begun[:8]}"
    assert fingerprint(longer) == fingerprint(run(recipe(tmp_path, "train.epochs=5"), until="train", force=["train"]))
