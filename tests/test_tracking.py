"""Runs in a real MLflow store: what is written, how runs end, what happens when the store is gone."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException

from pipeline.cache import Entry, Ingredients
from pipeline.errors import UserError
from pipeline.journal import Journal, StageResult
from pipeline.manifest import Manifest
from pipeline.recipe.tracking import TrackingConfig
from pipeline.tracking import Run, Tracking, open_store, read_runs
from pipeline.tracking.entities import clipped, entity_key
from pipeline.tracking.note import RunFacts, StageFacts, compose_note, registered_as
from pipeline.tracking.store import one_line
from pipeline.ui import mlflow_server

NOBODY = "http://127.0.0.1:9"
"""Address where nobody listens."""

QUIET = TrackingConfig(system_metrics=False)
TRAIN = Ingredients({"train.epochs": 3}, {"preprocess": "f00d"}, {"pipeline.training.train": "c0de"}, {"keras": "3"})
MANIFEST = Manifest(
    kind="image",
    task="multiclass",
    label=("digit",),
    classes=("0", "1"),
    columns=(),
    counts={"train": 6, "validation": 2, "test": 2},
    fingerprint="0123456789abcdef" * 4,
    source="ten digits",
)
ENVIRONMENT = {"git.commit": "a" * 40, "git.dirty": "no", "python": "3.11"}


def open_tracking(base: Path, uri: str = QUIET.uri, *, system_metrics: bool = False) -> Tracking:
    return Tracking.open(TrackingConfig(uri=uri, system_metrics=system_metrics), experiment="digits", base=base)


def start(tracking: Tracking, params: dict[str, object] | None = None) -> Iterator[Run]:
    return tracking.run(
        "digits", params=params or {}, environment=ENVIRONMENT, artifacts={"recipe.yaml": "name: digits"}
    )


def train(journal: Journal) -> StageResult:
    """What a training stage records."""
    for epoch in range(3):
        journal.log_metrics({"loss": 3.0 - epoch, "val_loss": 4.0 - epoch}, step=epoch)
    journal.log_metrics({"best/val_loss": 2.0, "best/epoch": 2})
    journal.set_tags({"stopped": "no"})
    journal.say("val_loss still falls: more epochs may help")
    figure = journal.path.parent / "artifacts" / "curves.png"
    figure.parent.mkdir()
    figure.write_bytes(b"png")
    journal.log_artifact(figure)
    return StageResult("feed", "3 epochs, val_loss 2.0")


@dataclass
class Recorded:
    tracking: Tracking
    parent: MlflowRun
    nested: MlflowRun
    folder: Path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A finished run of one stage."""
    base = tmp_path_factory.mktemp("recorded")
    folder = base / "train"
    folder.mkdir()
    tracking = open_tracking(base)
    with start(tracking, {"seed": 42, "data.split.by": "hash", "model.filters": [32, 64], "train.jit": True}) as run:
        run.log_data("digits", MANIFEST)
        with run.stage("train", folder=folder, reason="first run", ingredients=TRAIN) as stage:
            stage.result = train(Journal(folder / "journal.jsonl", (stage.listener,)))
    client = tracking.store.client
    return Recorded(tracking, client.get_run(run.id), client.get_run(stage.id), folder)


def artifacts(tracking: Tracking, run_id: str, folder: str | None = None) -> set[str]:
    return {file.path for file in tracking.store.client.list_artifacts(run_id, folder)}


def test_parameters_are_the_recipes_keys(recorded: Recorded) -> None:
    assert recorded.parent.data.params == {
        "seed": "42",
        "data.split.by": "hash",
        "model.filters": "[32, 64]",
        "train.jit": "true",
    }


def test_curves_go_to_the_parent_with_their_epochs(recorded: Recorded) -> None:
    history = recorded.tracking.store.client.get_metric_history(recorded.parent.info.run_id, "val_loss")
    assert [(point.step, point.value) for point in history] == [(0, 4.0), (1, 3.0), (2, 2.0)]
    assert recorded.parent.data.metrics["best/epoch"] == 2.0


def test_artifacts_lie_beside_the_database_in_a_folder_of_the_stage(recorded: Recorded, tmp_path: Path) -> None:
    run_id = recorded.parent.info.run_id
    assert artifacts(recorded.tracking, run_id) == {"environment.json", "recipe.yaml", "train"}
    assert artifacts(recorded.tracking, run_id, "train") == {"train/curves.png"}
    store = recorded.tracking.store
    assert store.artifacts is not None
    assert (store.artifacts / run_id / "artifacts" / "recipe.yaml").read_text() == "name: digits"
    assert json.loads((store.artifacts / run_id / "artifacts" / "environment.json").read_text()) == ENVIRONMENT
    assert store.artifacts.parent.joinpath("mlflow.db").exists()


def test_parent_is_tagged_with_code_data_environment_and_stages(recorded: Recorded) -> None:
    tags = recorded.parent.data.tags
    assert tags["git.commit"] == tags["mlflow.source.git.commit"] == "a" * 40
    assert tags["python"] == "3.11"
    assert tags["data.fingerprint"] == MANIFEST.fingerprint
    assert tags["stage.train"] == "ran: first run"
    assert tags["stopped"] == "no"
    assert len(tags["code.train"]) == 12


def test_nested_run_says_why_the_stage_ran_and_on_which_keys(recorded: Recorded) -> None:
    nested = recorded.nested
    assert nested.info.run_name == "train"
    assert nested.data.tags["mlflow.parentRunId"] == recorded.parent.info.run_id
    assert nested.data.tags["stage.reason"] == "first run"
    assert nested.data.tags["stage.key"] == TRAIN.key
    assert nested.data.tags["stage.fingerprint"] == "feed"
    assert nested.data.params == {"train.epochs": "3"}
    assert "val_loss still falls" in nested.data.tags["mlflow.note.content"]


def test_data_is_the_dataset_input_by_its_fingerprint(recorded: Recorded) -> None:
    (dataset_input,) = recorded.parent.inputs.dataset_inputs
    assert dataset_input.dataset.name == "digits"
    assert dataset_input.dataset.digest == MANIFEST.fingerprint[:36]
    assert json.loads(dataset_input.dataset.profile)["num_rows"] == 10


def test_finished_runs_are_finished_and_noted(recorded: Recorded) -> None:
    assert recorded.parent.info.status == recorded.nested.info.status == "FINISHED"
    assert recorded.parent.data.tags["mlflow.note.content"].count("\n") == 4


def test_cached_stage_gives_the_new_run_its_records(recorded: Recorded) -> None:
    tracking = recorded.tracking
    entry = Entry(recorded.folder, TRAIN, StageResult("feed", ""), 1.0, recorded.parent.info.run_id)
    with start(tracking) as run:
        run.replay("train", entry)
    again = tracking.store.client.get_run(run.id)
    history = tracking.store.client.get_metric_history(run.id, "val_loss")
    assert [(point.step, point.value) for point in history] == [(0, 4.0), (1, 3.0), (2, 2.0)]
    assert again.data.metrics == recorded.parent.data.metrics
    assert again.data.tags["stage.train"] == f"reused from {recorded.parent.info.run_id}"
    assert again.data.tags["code.train"] == recorded.parent.data.tags["code.train"]
    assert artifacts(tracking, run.id, "train") == {"train/curves.png"}


def test_more_than_a_batch_of_everything_is_recorded(recorded: Recorded, tmp_path: Path) -> None:
    tracking = recorded.tracking
    with (
        start(tracking, {f"key.{i}": i for i in range(230)}) as run,
        run.stage("train", folder=tmp_path, reason="r", ingredients=TRAIN) as stage,
    ):
        journal = Journal(tmp_path / "journal.jsonl", (stage.listener,))
        journal.set_tags({f"tag.{i}": "x" for i in range(130)})
        journal.log_metrics({f"metric.{i}": i for i in range(1500)})
    found = tracking.store.client.get_run(run.id).data
    assert len(found.params) == 230
    assert sum(key.startswith("tag.") for key in found.tags) == 130
    assert found.metrics["metric.1499"] == 1499.0


def test_value_that_had_to_be_cut_says_so(recorded: Recorded) -> None:
    with start(recorded.tracking, {"data.columns": "x" * 7000}) as run:
        pass
    value = recorded.tracking.store.client.get_run(run.id).data.params["data.columns"]
    assert len(value) == 6000
    assert value.endswith(" … [cut: 7000 characters in all]")


def test_names_that_mlflow_refuses_stay_apart(recorded: Recorded) -> None:
    names = ["price (EUR)", "price [EUR]", "a//b", "../c", "/d", "é" * 300, "plain.key"]
    with start(recorded.tracking, dict.fromkeys(names, 1)) as run:
        pass
    assert len(recorded.tracking.store.client.get_run(run.id).data.params) == len(names)
    assert entity_key("plain.key") == "plain.key"


def test_password_in_a_uri_is_not_recorded(recorded: Recorded) -> None:
    assert clipped("uri: https://me:secret@host/path", 100) == "uri: https://***@host/path"


def fail(tracking: Tracking, folder: Path, ids: list[str]) -> None:
    """Records an epoch, then fails; appends the ids of the run and of its stage."""
    with start(tracking) as run, run.stage("train", folder=folder, reason="r", ingredients=TRAIN) as stage:
        run.in_store()
        ids += [run.id, stage.id]
        Journal(folder / "journal.jsonl", (stage.listener,)).log_metrics({"loss": 7.0}, step=0)
        raise RuntimeError("the loss is not finite\nand more")


def test_exception_makes_the_run_failed_and_is_named(recorded: Recorded, tmp_path: Path) -> None:
    ids: list[str] = []
    with pytest.raises(RuntimeError, match="the loss is not finite"):
        fail(recorded.tracking, tmp_path, ids)
    for run_id in ids:
        found = recorded.tracking.store.client.get_run(run_id)
        assert found.info.status == "FAILED"
        assert found.data.tags["plumbline.error"] == "RuntimeError: the loss is not finite"
    parent = recorded.tracking.store.client.get_run(ids[0])
    assert parent.data.metrics == {"loss": 7.0}
    assert "then stopped: RuntimeError: the loss is not finite" in parent.data.tags["mlflow.note.content"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(143)])
def test_stopped_run_is_killed(recorded: Recorded, stop: BaseException) -> None:
    with pytest.raises(type(stop)), start(recorded.tracking) as run:
        raise stop
    assert recorded.tracking.store.client.get_run(run.id).info.status == "KILLED"


CRASHING = """
import sys, time
from pathlib import Path
from pipeline.journal import Journal
from tests.test_tracking import TRAIN, open_tracking, start

base = Path(sys.argv[1])
with start(open_tracking(base)) as run, run.stage("train", folder=base, reason="r", ingredients=TRAIN) as stage:
    Journal(base / "journal.jsonl", (stage.listener,)).log_metrics({"loss": 1.0}, step=0)
    run.in_store()
    print(run.id, stage.id, flush=True)
    time.sleep(60)
"""


def test_killed_process_is_reaped_at_the_next_start_and_a_living_one_is_not(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CRASHING, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        ids = process.stdout.readline().split()
        while_alive = open_tracking(tmp_path)
        statuses = {while_alive.store.client.get_run(run_id).info.status for run_id in ids}
        process.kill()
    assert (while_alive.reaped, statuses) == ([], {"RUNNING"})
    reaping = open_tracking(tmp_path)
    assert sorted(reaping.reaped) == sorted(ids)
    parent, nested = (reaping.store.client.get_run(run_id) for run_id in ids)
    assert parent.info.status == nested.info.status == "KILLED"
    (loss,) = reaping.store.client.get_metric_history(ids[0], "loss")
    assert parent.info.end_time == loss.timestamp
    assert "the process is gone" in parent.data.tags["plumbline.error"]
    assert open_tracking(tmp_path).reaped == []


FIRST_USER = """
import sys
from pathlib import Path
from tests.test_tracking import open_tracking

open_tracking(Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_two_first_users_of_a_store_do_not_meet(tmp_path: Path) -> None:
    users = [
        subprocess.Popen([sys.executable, "-c", FIRST_USER, str(tmp_path)], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    errors = [user.communicate()[1] for user in users]
    assert [user.returncode for user in users] == [0, 0], errors


@pytest.mark.parametrize("uri", ["./mlruns", "file:///tmp/mlruns"])
def test_plain_folder_is_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tracking.uri: expected a database or a server, such as sqlite.*Received: "):
        open_tracking(tmp_path, uri)
    assert not list(tmp_path.iterdir())


def test_uri_of_no_store_is_refused(tmp_path: Path) -> None:
    expected = r"tracking.uri: expected a store that answers at nonsense://x. Received: .*unsupported URI"
    with pytest.raises(UserError, match=expected):
        open_tracking(tmp_path, "nonsense://x")
    assert not list(tmp_path.iterdir())


def test_server_that_does_not_answer_is_named_at_once_and_the_run_is_recorded(tmp_path: Path) -> None:
    said: list[str] = []
    began = time.monotonic()
    section = TrackingConfig(uri=NOBODY, system_metrics=False)
    tracking = Tracking.open(section, experiment="digits", base=tmp_path, say=said.append)
    assert time.monotonic() - began < 6
    with start(tracking) as run, run.stage("train", folder=tmp_path, reason="r", ingredients=TRAIN) as stage:
        train(Journal(tmp_path / "journal.jsonl", (stage.listener,)))
    assert time.monotonic() - began < 8
    answers, left = said
    assert f"expected a store that answers at {NOBODY}. Received: " in answers
    assert "Connection refused" in answers
    assert f"All of run {run.id} is kept here: `plumbline sync` sends it" in left
    with pytest.raises(UserError, match="expected a store that answers"):
        run.in_store()


def test_reading_does_not_create_a_store(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No runs yet"):
        open_store(QUIET.uri, tmp_path, create=False)
    assert not list(tmp_path.iterdir())


def test_deleted_experiment_is_refused(tmp_path: Path) -> None:
    tracking = open_tracking(tmp_path)
    tracking.store.client.delete_experiment(tracking.experiment_id)
    with pytest.raises(UserError, match="which was deleted"):
        open_tracking(tmp_path)


def test_system_metrics_are_the_nested_runs(tmp_path: Path) -> None:
    tracking = open_tracking(tmp_path, system_metrics=True)
    with start(tracking) as run, run.stage("train", folder=tmp_path, reason="r", ingredients=TRAIN) as stage:
        time.sleep(2.5)
    nested, parent = (tracking.store.client.get_run(run_id).data.metrics for run_id in (stage.id, run.id))
    assert nested["system/system_memory_usage_megabytes"] > 0
    assert parent == {}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Address and process of a real MLflow server that keeps artifacts itself."""
    where = [
        "--backend-store-uri",
        f"sqlite:///{tmp_path}/server.db",
        "--artifacts-destination",
        str(tmp_path / "kept"),
    ]
    with mlflow_server(where, port=5400) as running:
        yield running


@pytest.mark.slow
def test_server_takes_runs(server: tuple[str, "subprocess.Popen[bytes]"], tmp_path: Path) -> None:
    uri, _ = server
    tracking = open_tracking(tmp_path, uri)
    with (
        start(tracking, {"seed": 1}) as run,
        run.stage("train", folder=tmp_path, reason="r", ingredients=TRAIN) as stage,
    ):
        train(Journal(tmp_path / "journal.jsonl", (stage.listener,)))
    (record,) = read_runs(tracking.store)
    assert (record.status, record.metrics["val_loss"], record.params) == ("FINISHED", 2.0, {"seed": "1"})
    assert artifacts(tracking, run.id, "train") == {"train/curves.png"}
    assert list((tmp_path / "kept").rglob("curves.png"))


def test_note_tells_in_five_lines_what_was_done_and_how_it_went() -> None:
    facts = RunFacts(
        "digits",
        {"model.type": "cnn"},
        [
            StageFacts("collect", "reused"),
            StageFacts("train", "ran", 12.34, ["val_loss still falls"], ["train/curves.png", "train/summary.txt"]),
        ],
        MANIFEST,
        {"best/epoch": 7.0, "best/val_loss": 0.12345, "test/accuracy": 0.9876},
        {"registered.name": "digits", "registered.version": "3", "registered.alias": "champion"},
    )
    assert compose_note(facts).splitlines() == [
        "- **Done**: recipe `digits`; ran train (12.3 s); reused collect",
        "- **Data**: ten digits: 10 examples (6 train, 2 validation, 2 test), multiclass image, "
        "fingerprint `0123456789ab`",
        "- **Training**: `cnn`, best epoch 7: val_loss 0.1235",
        "- **Test**: accuracy 0.9876; registered as digits 3 (champion)",
        "- **Look at**: train says: val_loss still falls; `train/curves.png`",
    ]


def test_unregistered_run_has_no_model() -> None:
    assert registered_as({}) == ""
    assert registered_as({"registered.name": "digits", "registered.version": "4"}) == "digits 4"


def test_an_error_of_the_database_is_its_cause_in_one_line() -> None:
    flushed = "(raised as a result of Query-invoked autoflush; consider using a session.no_autoflush block)"
    error = MlflowException(f"{flushed}\n(sqlite3.OperationalError) database or disk is full\n[SQL: INSERT]")
    assert one_line(error) == "(sqlite3.OperationalError) database or disk is full"
