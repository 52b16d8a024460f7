"""Runs to send: of a few stages, with everything that a run may record."""

import math
from collections.abc import Callable
from pathlib import Path

from pipeline.journal import Journal, StageResult
from pipeline.recipe.tracking import TrackingConfig
from pipeline.tracking import Run, RunFolder, Tracking
from tests.test_tracking import MANIFEST, QUIET, TRAIN

TAGS = {"group": "of the recipe"}
"""What the recipe says of each run."""


def open_at(base: Path, uri: str = QUIET.uri, say: Callable[[str], None] = lambda _: None) -> Tracking:
    """A place for runs."""
    section = TrackingConfig(uri=uri, system_metrics=False, tags=TAGS)
    return Tracking.open(section, experiment="digits", base=base, say=say)


def write_run(
    tracking: Tracking,
    out: Path,
    *,
    epochs: int = 3,
    run_id: str | None = None,
    id_file: Path | None = None,
    after_epoch: Callable[[Run, int], None] = lambda *_: None,
) -> RunFolder:
    """Writes a run of two stages, or goes on with one that was killed; returns its folder."""
    params = {"seed": 42, "model.filters": [8, 16], "model.batch_norm": False}
    files = {"recipe.yaml": "name: digits"}
    facts = {"python": "3.11"}
    with tracking.run(
        "digits", params=params, environment=facts, artifacts=files, run_id=run_id, id_file=id_file
    ) as run:
        run.log_data("digits", MANIFEST)
        for name in ("train", "evaluate"):
            folder = out / name
            (folder / "artifacts").mkdir(parents=True, exist_ok=True)
            with run.stage(name, folder=folder, reason="first run", ingredients=TRAIN) as stage:
                journal = Journal(folder / "journal.jsonl", (stage.listener,))
                for epoch in range(epochs if name == "train" else 0):
                    values = {"loss": 1 / (epoch + 1), "val_loss": math.nan if epoch == 1 else 2.0}
                    journal.log_metrics(values, step=epoch)
                    if epoch % 10 == 0:
                        figure = folder / "artifacts" / f"curves_{epoch}.png"
                        figure.write_bytes(bytes([epoch % 256]) * 3000)
                        journal.log_artifact(figure)
                    after_epoch(run, epoch)
                journal.log_metrics({f"{name}/score": 0.5})
                journal.set_tags({f"{name}.verdict": "good"})
                stage.result = StageResult("feed", "done")
    return run.folder
