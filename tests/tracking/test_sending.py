"""Sending a run to MLflow: exactly once, whatever is killed and when."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.utils import mlflow_tags

from pipeline.journal import Journal, read_journal
from pipeline.sync import sync
from pipeline.tracking import (
    Run,
    RunFolder,
    Sender,
    open_store,
    read_folder,
    read_runs,
    run_folders,
    stored_id,
    unsent_folders,
)
from pipeline.tracking.store import StoreAwayError, find_experiment
from tests.test_tracking import NOBODY
from tests.tracking import killing
from tests.tracking.ledger import assert_all_there_once, of_folder
from tests.tracking.writing import TAGS, open_at, write_run

PlaceStore = Callable[[Path], str]

NUM_KILLS = 8


@pytest.fixture
def uri(tmp_path: Path, place_store: PlaceStore) -> str:
    """An sqlite store."""
    return place_store(tmp_path / "store")


def scratch(base: Path) -> Path:
    folder = base / "copies"
    folder.mkdir()
    return folder


def test_a_run_recorded_without_a_store_arrives_whole(tmp_path: Path, uri: str) -> None:
    folder = write_run(open_at(tmp_path, NOBODY), tmp_path / "out")
    assert unsent_folders(tmp_path / "mlruns" / "runs") == [folder]
    (synced,) = sync(tmp_path / "mlruns", uri=uri)
    assert (synced.name, synced.problem) == ("digits", None)
    ledger = assert_all_there_once(folder, open_store(uri, tmp_path), scratch(tmp_path))
    assert ledger.statuses == {"": "FINISHED", "train": "FINISHED", "evaluate": "FINISHED"}
    assert {"recipe.yaml", "environment.json", "train/curves_0.png"} == set(ledger.artifacts)
    assert len(ledger.metrics) == 8
    assert unsent_folders(tmp_path / "mlruns" / "runs") == []
    assert list(sync(tmp_path / "mlruns")) == []
    store = open_store(uri, tmp_path)
    assert store.client.get_run(stored_id(store, folder.header.id)).info.run_name == "digits"


def test_the_run_read_from_its_folder_is_the_one_read_from_the_store(tmp_path: Path, uri: str) -> None:
    here = read_folder(write_run(open_at(tmp_path, uri), tmp_path / "out"))
    (there,) = read_runs(open_store(uri, tmp_path))
    assert set(there.tags) - set(here.tags) == {"mlflow.runName", "plumbline.process"}
    assert replace(there, tags={key: there.tags[key] for key in here.tags}) == here


def test_sending_all_of_it_again_changes_nothing(tmp_path: Path, uri: str) -> None:
    folder = write_run(open_at(tmp_path, uri), tmp_path / "out", epochs=30)
    first = assert_all_there_once(folder, open_store(uri, tmp_path), scratch(tmp_path))
    (folder.path / "sent.json").unlink()
    assert Sender(folder).send() == len(list(folder.records()))
    (tmp_path / "again").mkdir()
    assert assert_all_there_once(folder, open_store(uri, tmp_path), tmp_path / "again") == first


def test_a_store_that_came_back_empty_is_told_everything(tmp_path: Path, uri: str, place_store: PlaceStore) -> None:
    folder = write_run(open_at(tmp_path, uri), tmp_path / "out")
    other = open_store(place_store(tmp_path / "other"), tmp_path)
    sent = json.loads((folder.path / "sent.json").read_text())
    (folder.path / "sent.json").write_text(json.dumps({**sent, "uri": other.uri, "next": sent["next"] - 3}))
    Sender(folder, other.uri).send()
    assert_all_there_once(folder, other, scratch(tmp_path))


def test_a_run_that_the_store_lost_stays_to_be_sent_where_the_store_goes_away_again(
    tmp_path: Path, uri: str, place_store: PlaceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_run(open_at(tmp_path, uri), tmp_path / "out")
    other = open_store(place_store(tmp_path / "other"), tmp_path)
    acknowledged = folder.path / "sent.json"
    acknowledged.write_text(acknowledged.read_text().replace(uri, other.uri))

    def away(*_: object, **__: object) -> None:
        raise ConnectionError("gone again")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "create_run", away)
        with pytest.raises(StoreAwayError):
            Sender(folder, other.uri, asks_again=True).send()
    assert unsent_folders(tmp_path / "mlruns" / "runs") == [folder]
    Sender(folder, other.uri).send()
    assert_all_there_once(folder, other, scratch(tmp_path))


def test_a_run_whose_creation_was_not_answered_is_found_again(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = MlflowClient.create_run

    def lost(*args: Any, **options: Any) -> None:
        monkeypatch.undo()
        create(*args, **options)
        raise ConnectionError("the answer was lost")

    tracking = open_at(tmp_path, uri)
    monkeypatch.setattr(MlflowClient, "create_run", lost)
    folder = write_run(tracking, tmp_path / "out")
    assert not folder.header.in_store
    store = open_store(uri, tmp_path)
    assert_all_there_once(folder, store, scratch(tmp_path))
    assert len(store.client.search_runs([tracking.experiment_id])) == 3


def test_a_run_that_was_deleted_in_the_store_is_not_offered_again(tmp_path: Path, uri: str) -> None:
    tracking = open_at(tmp_path, uri)
    with tracking.run("digits", params={}, environment={}, artifacts={}) as run:
        run.in_store()
        tracking.store.client.delete_run(run.id)
    assert run.folder.sent.refused == ["all: the run was deleted in the store"]
    assert unsent_folders(tmp_path / "mlruns" / "runs") == []


def test_a_record_that_the_store_will_never_take_does_not_hold_up_the_others(tmp_path: Path, uri: str) -> None:
    said: list[str] = []
    with open_at(tmp_path, uri, said.append).run("digits", params={"a": 1}, environment={}, artifacts={}) as run:
        run.record("params", values={"a": 2})
        run.record("metrics", values={"loss": 1.0}, step=0)
    stored = open_store(uri, tmp_path).client.get_run(run.id)
    assert (stored.info.status, stored.data.metrics, stored.data.params) == ("FINISHED", {"loss": 1.0}, {"a": "1"})
    assert ["Changing param values is not allowed" in line for line in said] == [True]


def test_sender_killed_at_random_instants_sends_everything_once(tmp_path: Path, uri: str) -> None:
    folder = write_run(open_at(tmp_path, NOBODY), tmp_path / "out", epochs=300)
    moments = killing.moments(7, lambda: folder.sent.next, len(list(folder.records())), NUM_KILLS)
    ended = [killing.run_and_kill(killing.send, str(folder.path), uri, when=moment) for moment in moments]
    Sender(folder, uri).send()
    print(f"{ended.count(False)} senders killed while sending")
    assert ended.count(False) > NUM_KILLS // 2
    assert_all_there_once(folder, open_store(uri, tmp_path), scratch(tmp_path))


def test_writer_killed_at_random_instants_goes_on_as_the_same_run(tmp_path: Path, uri: str) -> None:
    base, out, epochs = tmp_path / "base", tmp_path / "out", 200
    journal = out / "train" / "journal.jsonl"

    def num_lines() -> int:
        return journal.read_bytes().count(b"\n") if journal.exists() else 0

    ended: list[bool] = []
    for moment in killing.moments(11, num_lines, epochs, NUM_KILLS):
        ids = [file.parent.name for file in base.glob("mlruns/runs/[!.]*/run.json")]
        run_id = ids[0] if ids else None
        ended.append(killing.run_and_kill(killing.write, str(base), uri, str(out), epochs, run_id, when=moment))
    print(f"{ended.count(False)} writers killed")
    assert ended.count(False) > NUM_KILLS // 2
    folder = write_run(open_at(base, uri), out, epochs=epochs, run_id=run_id)
    ledger = assert_all_there_once(folder, open_store(uri, tmp_path), scratch(tmp_path))
    assert set(ledger.statuses.values()) == {"FINISHED"}
    assert ("", "plumbline.error") not in ledger.tags
    assert sorted(step for _, name, _, step, _ in ledger.metrics if name == "loss") == list(range(epochs))
    said_by_stage = [(r["values"], r["step"]) for r in read_journal(journal) if "step" in r]
    forwarded = [(r["values"], r["step"]) for r in folder.records() if r["kind"] == "metrics" and r["of"][0] == "train"]
    assert repr(forwarded) == repr(said_by_stage)


def test_a_record_that_only_the_stage_had_when_it_was_killed_arrives(tmp_path: Path, uri: str) -> None:
    journal = tmp_path / "out" / "train" / "journal.jsonl"

    def die(run: Run, _: int) -> None:
        ids.append(run.id)
        Journal(journal).log_metrics({"loss": 1 / 3, "val_loss": 2.0}, step=2)
        raise KeyboardInterrupt

    tracking, ids = open_at(tmp_path, uri), list[str]()
    with pytest.raises(KeyboardInterrupt):
        write_run(tracking, tmp_path / "out", after_epoch=die)
    folder = write_run(tracking, tmp_path / "out", epochs=2, run_id=ids[0])
    ledger = assert_all_there_once(folder, open_store(uri, tmp_path), scratch(tmp_path))
    assert sorted(step for _, name, _, step, _ in ledger.metrics if name == "loss") == [0, 1, 2]
    assert ("", "plumbline.error") not in ledger.tags


@pytest.mark.parametrize("moment", ["store", "folder"])
def test_a_writer_killed_before_it_noted_its_run_goes_on_with_that_run(tmp_path: Path, uri: str, moment: str) -> None:
    """Killed once the store has the run, or once its folder is there too; its id file holds our own id then."""
    id_file = tmp_path / "run_id"
    arguments = (str(tmp_path), uri, str(tmp_path / "out"), str(id_file), moment == "folder")
    assert not killing.run_and_kill(killing.write_until_created, *arguments, when=lambda: False)
    noted = id_file.read_text(encoding="utf-8")
    folder = write_run(open_at(tmp_path, uri), tmp_path / "out", id_file=id_file)
    assert folder.path.name == id_file.read_text(encoding="utf-8") != noted
    store = open_store(uri, tmp_path)
    runs = store.client.search_runs([find_experiment(store, "digits")])
    assert len([run for run in runs if mlflow_tags.MLFLOW_PARENT_RUN_ID not in run.data.tags]) == 1
    ledger = assert_all_there_once(folder, store, scratch(tmp_path))
    assert set(ledger.statuses.values()) == {"FINISHED"}
    assert ("", "plumbline.error") not in ledger.tags


@pytest.mark.parametrize("moment", ["store", "folder"])
def test_a_run_killed_before_it_noted_its_id_is_closed_with_its_tags_and_its_cause(
    tmp_path: Path, uri: str, moment: str
) -> None:
    driver, id_file = open_at(tmp_path, uri), tmp_path / "run_id"
    arguments = (str(tmp_path), uri, str(tmp_path / "out"), str(id_file), moment == "folder")
    assert not killing.run_and_kill(killing.write_until_created, *arguments, when=lambda: False)
    store = driver.store
    (created,) = store.client.search_runs([find_experiment(store, "digits")])
    assert TAGS.items() <= created.data.tags.items()
    assert created.info.status == "RUNNING"
    driver.close_dead(id_file.read_text(encoding="utf-8"), {"cause": "SIGKILL"}, {"seconds": 3.0})
    (closed,) = store.client.search_runs([find_experiment(store, "digits")])
    assert (closed.info.status, closed.data.tags["cause"], closed.data.metrics) == ("KILLED", "SIGKILL", {"seconds": 3})
    assert not unsent_folders(tmp_path / "mlruns" / "runs")


def test_the_cause_of_a_death_is_sent_also_where_another_run_has_closed_the_dead_one(tmp_path: Path, uri: str) -> None:
    arguments = (str(tmp_path), uri, str(tmp_path / "out"), 10**6, None)
    runs = tmp_path / "mlruns" / "runs"

    def has_begun() -> bool:
        return any(any(folder.records()) for folder in run_folders(runs))

    assert not killing.run_and_kill(killing.write, *arguments, when=has_begun)
    driver = open_at(tmp_path, uri)
    (folder,) = run_folders(runs)
    assert not folder.is_unsent, "whoever started next has closed and sent it"
    driver.close_dead(folder.path.name, {"cause": "SIGKILL"}, {"seconds": 3.0})
    closed = driver.store.client.get_run(folder.path.name)
    assert (closed.info.status, closed.data.tags["cause"]) == ("KILLED", "SIGKILL")
    assert not folder.is_unsent


@pytest.mark.slow
def test_four_first_processes_on_one_sqlite_store_lose_nothing(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    began = time.monotonic()
    arguments = [(str(tmp_path), uri, str(tmp_path / f"out{i}"), 300, None) for i in range(4)]
    processes = [killing.FORKS.Process(target=killing.write, args=given) for given in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    print(f"four processes, {time.monotonic() - began:.1f} s")
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    store = open_store(uri, tmp_path)
    folders = sorted((tmp_path / "mlruns" / "runs").glob("[!.]*"))
    assert len(folders) == 4
    for i, path in enumerate(folders):
        (tmp_path / f"copies{i}").mkdir()
        ledger = assert_all_there_once(RunFolder(path), store, tmp_path / f"copies{i}")
        assert len(ledger.metrics) == 602


def test_a_torn_record_of_a_run_is_cut_off_and_the_run_goes_on(tmp_path: Path, uri: str) -> None:
    tracking = open_at(tmp_path, uri)
    folder = write_run(tracking, tmp_path / "out")
    whole = folder.journal.read_bytes()
    folder.journal.write_bytes(whole[: len(whole) // 2])
    write_run(tracking, tmp_path / "out", run_id=folder.header.id)
    assert any("were torn and cut off" in record.get("text", "") for record in folder.records())
    assert of_folder(folder).statuses == {"": "FINISHED", "train": "FINISHED", "evaluate": "FINISHED"}
    assert_all_there_once(folder, open_store(uri, tmp_path), scratch(tmp_path))
