"""A training that pauses and goes on is the training that never paused."""

import pytest

from pipeline import load_recipe, run
from pipeline.journal import read_journal
from pipeline.recipe.errors import RecipeError

RECIPE = {
    "name": "paused",
    "data": {"type": "breast_cancer"},
    "model": {"type": "mlp", "units": [8], "dropout": 0.3, "batch_norm": True},
    "train": {
        "epochs": 6,
        "schedule": {"type": "cosine", "warmup_epochs": 1},
        "averaging": {"type": "swa", "start": 0.5},
    },
    "tracking": {"system_metrics": False},
}


@pytest.fixture
def trained(tmp_path, monkeypatch, place_store):
    """Trains in a store of its own for each name; returns the weights' hash, the history and what was said."""

    def trained(store, *overrides):
        if not (tmp_path / store).exists():
            place_store(tmp_path / store / "mlruns")
        monkeypatch.chdir(tmp_path / store)
        entry = run(load_recipe(RECIPE, overrides), until="train").outcomes[-1].entry
        said = [r["text"] for r in read_journal(entry.folder / "journal.jsonl") if r["kind"] == "say"]
        return entry.result.fingerprint, (entry.folder / "history.json").read_text(), said

    return trained


@pytest.mark.slow
def test_rungs_end_as_if_never_paused(trained):
    trained("rungs", "train.stop_after_epochs=2")
    *_, said = trained("rungs", "train.stop_after_epochs=4")
    assert "goes on from epoch 2, step 0" in said
    *last, said = trained("rungs")
    assert "goes on from epoch 4, step 0" in said
    assert last == list(trained("whole")[:2])


@pytest.mark.parametrize(
    ("override", "said"),
    [("train.budget=1m", "`train.budget` decides the epochs"), ("train.stop_after_epochs=0", "1 or more")],
)
def test_a_pause_that_cannot_be_is_refused(override, said):
    with pytest.raises(RecipeError, match=said):
        load_recipe({**RECIPE, "train": {}}, ["train.stop_after_epochs=2", override])
