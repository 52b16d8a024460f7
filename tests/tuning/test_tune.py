"""Whole studies: real trainings in real processes, MLflow, files; killed, signalled, failing."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipeline.environment import num_cores
from pipeline.recipe.load import load_recipe
from tuning.study import Study, ranked
from tuning.tune import MEASURED, resume, tune, with_threads

RECIPE = """
name: {name}
data: {{type: breast_cancer}}
model: {{type: mlp, units: [4]}}
train: {{epochs: 3, optimizer: {{type: sgd, learning_rate: 0.01}}}}
tracking: {{system_metrics: false}}
tune:
  algorithm: {algorithm}
  objective: val_accuracy
  trials: {trials}
  finalists: 0
  space: {space}
"""
SPACE = "{model.dropout: {type: float, low: 0.0, high: 0.5}}"


@pytest.fixture(scope="module")
def here(tmp_path_factory, place_store):
    """A folder whose prepared data the studies share."""
    folder, before = tmp_path_factory.mktemp("work"), Path.cwd()
    os.chdir(folder)
    place_store(folder / "mlruns")
    yield folder
    os.chdir(before)


def write(name, algorithm="random", trials=2, space=SPACE):
    path = Path(f"{name}.yaml")
    path.write_text(RECIPE.format(name=name, algorithm=algorithm, trials=trials, space=space), encoding="utf-8")
    return path


@contextlib.contextmanager
def driver(*arguments):
    """`plumbline tune` in a process of its own."""
    command = [sys.executable, "-m", "pipeline", "tune", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def kinds(name):
    file = Path(f"mlruns/studies/{name}-1/events.jsonl")
    return [json.loads(line)["kind"] for line in file.read_text().splitlines()] if file.exists() else []


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)


def trainings(pid):
    """Processes that train: forked by the server of the driver, with a log of their own, and busy for a moment."""
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(pid).children(recursive=True)
        working = [each for each in children if each.ppid() != pid and each.cpu_times().user > 0.2]
        return [each for each in working if any(file.path.endswith("log.txt") for file in each.open_files())]
    return []


def test_the_cores_are_divided_among_the_workers_unless_the_recipe_says(here):
    loaded = load_recipe(write("cores", trials=3))
    for workers, threads in ((1, num_cores()), (2, max(1, num_cores() // 2)), (99, 1)):
        assert with_threads(loaded, workers, "local").train.threads == threads
    assert with_threads(loaded, 1, "ray").train.threads == 1
    given = load_recipe(write("cores", trials=3), ["train.threads=3"])
    assert with_threads(given, 1, "local") == given


@pytest.fixture(scope="module")
def finished(here):
    """A study of three trials, two at once, the best of them trained with other seeds."""
    loaded = load_recipe(write("done", trials=3), ["tune.finalists=1", "tune.seeds=2", "tune.keep=1"])
    return tune(loaded, workers=2).study


@pytest.mark.slow
def test_the_best_is_an_ordinary_recipe_that_runs_exactly(finished):
    from pipeline.execution import run

    best = ranked(finished.trials(), "max")[0]
    again = run(finished.folder / "best.yaml", until="train")
    assert not again.ran, "its training is that of the trial"
    epochs = json.loads((again.folder("train") / "history.json").read_text())["epochs"]
    assert max(epoch["val_accuracy"] for epoch in epochs) == best.result.score
    # In a process of its own, as the threads of this one are given.
    command = [sys.executable, "-m", "pipeline", "run", str(finished.folder / "best.yaml")]
    subprocess.run([*command, "tracking.directory=fresh", "--until", "train"], check=True, stdout=subprocess.DEVNULL)
    (history,) = Path("fresh/stages/train").glob("*/history.json")
    assert json.loads(history.read_text())["epochs"] == epochs
    assert {trial for trial, _ in finished.repeats()} == {-1, best.number}


@pytest.mark.slow
def test_only_the_best_keep_their_weights(finished):
    trained = [trial for trial in finished.trials() if trial.result.weights]
    kept = [trial.number for trial in trained if Path(trial.result.weights, "network.keras").exists()]
    assert kept == [ranked(finished.trials(), "max")[0].number]
    assert len(list((finished.folder / "records").glob("*/history.json"))) == 3 - 1 + 4


def runs_of(study, here):
    """The store, the run of a study, and those of its trainings."""
    from pipeline.tracking import open_store

    client = open_store("sqlite:///mlruns/mlflow.db", here).client
    parent = (study.folder / "run_id").read_text()
    experiment = client.get_run(parent).info.experiment_id
    return client, parent, client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")


@pytest.mark.slow
def test_trials_are_nested_runs_of_the_study(finished, here):
    client, parent, children = runs_of(finished, here)
    trials = {child.data.tags["trial"]: child for child in children if "seed" not in child.data.tags["trial"]}
    assert set(trials) == {"0000", "0001", "0002"}
    for number, child in trials.items():
        assert child.data.metrics["objective"] == finished.trials()[int(number)].result.score
        assert 0 < child.data.metrics["seconds"] <= finished.trials()[int(number)].result.seconds
        assert child.data.params["model.dropout"] == str(finished.trials()[int(number)].job.point["model.dropout"])
        assert [point.step for point in client.get_metric_history(child.info.run_id, "val_accuracy")] == [0, 1, 2]
    study = client.get_run(parent).data
    assert study.metrics["best_objective"] == ranked(finished.trials(), "max")[0].result.score
    assert "plumbline run" in study.tags["mlflow.note.content"]
    names = {Path(file.path).name for file in client.list_artifacts(parent, "study")}
    assert {"history.png", "slices.png", "parallel_coordinates.png", "best.yaml", "trials.csv"} <= names


@pytest.mark.slow
def test_hyperband_killed_and_continued_is_the_study_that_was_not(here):
    path = write("halved", "hyperband", 3)
    with driver(path) as process:
        wait_for(lambda: kinds("halved").count("tell") == 3, process)
        process.kill()
    continued = resume(Study.open("halved-1")).study
    whole = tune(load_recipe(path, ["tracking.directory=elsewhere"])).study
    results = [
        [(t.job, t.result.score, t.result.epochs, t.result.curve) for t in study.trials()]
        for study in (continued, whole)
    ]
    assert results[0] == results[1]
    assert max(trial.result.epochs for trial in continued.trials()) == 3
    promoted = [trial for trial in whole.trials() if trial.job.rung]
    assert promoted
    assert all("goes on from epoch" in Path(trial.result.weights, "journal.jsonl").read_text() for trial in promoted)
    assert len(list(Path("elsewhere/stages/preprocess").glob("[!.]*"))) == 1, "prepared once, for all trials"
    runs = {child.data.tags["trial"]: child.data for child in runs_of(continued, here)[2]}
    for trial in continued.trials():
        assert runs[trial.job.name].metrics["epochs"] == trial.result.epochs
        assert "train.stop_after_epochs" not in runs[trial.job.name].params


NETWORKS = """
import os
import signal
from pathlib import Path

import keras
import numpy as np

EVENTS = Path({events!r})


def build(x, how="fine"):
    if how == "raises":
        raise ValueError("no such luck")
    if how == "exhausts":
        np.ones(2**55)
    if how == "exits":
        os._exit(7)
    if how == "is killed for memory":
        EVENTS.write_text("oom 1\\noom_kill 1\\n")  # as the kernel counts it
        os.kill(os.getpid(), signal.SIGKILL)
    factors = {{"overflows": 1e38, "is dead": 0.0}}
    return keras.layers.Dense(4)(x * factors.get(how, 1.0))
"""


@pytest.fixture(scope="module")
def failing(here):
    """A study of trials that fail in every way."""
    events = here / "memory.events"
    events.write_text("oom 0\noom_kill 0\n")
    (here / "odd_networks.py").write_text(NETWORKS.format(events=str(events)))
    ways = ("fine", "raises", "exhausts", "exits", "is killed for memory", "overflows", "is dead")
    space = {
        "model.arguments.how": {"type": "choice", "values": ways},
        "train.optimizer.momentum": {"type": "choice", "values": [0.9], "when": {"model.arguments.how": "fine"}},
        "train.optimizer.type": {
            "type": "choice",
            "values": ["sgd", "adam"],
            "when": {"model.arguments.how": "fine"},
        },
    }
    tree = {
        "name": "failing",
        "data": {"type": "breast_cancer"},
        "model": {"type": "custom", "entry": "odd_networks:build", "folder": str(here)},
        "train": {"epochs": 10, "optimizer": {"type": "sgd", "learning_rate": 0.01}},
        "tracking": {"system_metrics": False},
        "tune": {"algorithm": "grid", "objective": "val_accuracy", "finalists": 0, "space": space},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tuning.workers.OOM_EVENTS", (events,))
        study = tune(load_recipe(tree)).study
    assert study.reason() == "every point of the grid has been tried"
    assert (study.folder / "best.yaml").exists()
    return study


@pytest.fixture(scope="module")
def results(failing):
    """Way to result."""
    return {
        (each.job.point["model.arguments.how"], each.job.point.get("train.optimizer.type")): each.result
        for each in failing.trials()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "status", "cause"),
    [
        (("fine", "adam"), "invalid", "adam has no such argument"),
        (("raises", None), "invalid", "no such luck"),
        (("exhausts", None), "failed", "out of memory: "),
        (("exits", None), "failed", "died: exit code 7"),
        (("is killed for memory", None), "failed", "out of memory: the system killed the process"),
        (("overflows", None), "failed", "nan: "),
    ],
)
def test_a_failing_trial_has_a_cause_and_no_score(results, way, status, cause):
    assert results[way].status == status
    assert cause in results[way].cause
    assert results[way].score is None
    assert results["fine", "sgd"].status == "scored"


def test_the_run_of_a_failing_trial_has_ended_and_says_why(failing, here):
    _, _, children = runs_of(failing, here)
    told = {child.data.tags["trial"]: (child.data.tags["trial.cause"], child.info.status) for child in children}
    ran = [trial for trial in failing.trials() if (failing.trial_folder(trial.job) / "run_id").exists()]
    assert len(ran) == 7, "all but the invalid point"
    ends = {"scored": "FINISHED", "stopped": "FINISHED", "failed": "FAILED", "invalid": "FAILED"}
    for trial in ran:
        end = "KILLED" if "exit code" in trial.result.cause or "the system" in trial.result.cause else None
        assert told[trial.job.name] == (trial.result.cause, end or ends[trial.result.status])


def test_a_failing_trial_leaves_no_state(failing):
    assert not list(Path("mlruns/stages/train").glob(".*.partial"))


def test_a_trial_that_does_not_train_is_stopped_with_its_score_and_the_reason(results):
    stopped = results["is dead", None]
    assert (stopped.status, results["fine", "sgd"].epochs) == ("stopped", 10)
    assert stopped.epochs < 10
    assert stopped.score < results["fine", "sgd"].score
    assert ", epoch " in stopped.cause


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "copies"), [("stopping", "early_stopping: {}, averaging: {type: ema}"), ("mean", "averaging: {type: swa}")]
)
def test_the_disk_that_a_trial_takes_is_told_before(here, name, copies):
    train = f"train={{epochs: 5, optimizer: {{type: adam}}, {copies}}}"
    study = tune(load_recipe(write(name, trials=1), ["model.units=[512, 512]", train])).study
    told = json.loads((study.folder / MEASURED).read_text())["trial_bytes"]
    folder = Path(study.trials()[0].result.weights)
    files = [folder / "network.keras", *folder.glob("checkpoints/*.checkpoint")]
    assert len(files) == 2
    assert told == pytest.approx(sum(file.stat().st_size for file in files), rel=0.05)


@pytest.mark.slow
def test_trials_that_are_killed_end_as_if_never_killed(here):
    path = write("murdered", trials=9)
    with driver(path, "--trials", 2, "train.epochs=100", "train.checkpoint.every_secs=0.05") as process:
        for trial, number in enumerate((signal.SIGKILL, signal.SIGTERM), 1):
            wait_for(lambda trial=trial: kinds("murdered").count("ask") == trial and has_saved(), process)
            trainings(process.pid)[0].send_signal(number)
        printed, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert printed.count("it goes on in another") == 2
    killed = Study.open("murdered-1").trials()
    assert all("goes on from epoch" in Path(each.result.weights, "journal.jsonl").read_text() for each in killed)
    given = ["train.epochs=100", "tune.trials=2", "tracking.directory=untouched"]
    whole = tune(load_recipe(path, given)).study.trials()
    assert [(each.result.status, each.result.curve) for each in killed] == [
        (each.result.status, each.result.curve) for each in whole
    ]


def has_saved():
    """Whether the training that runs has left a checkpoint; a test before may have left others."""
    return list(Path("mlruns/stages/train").glob(".*.partial/checkpoints/*.checkpoint"))


@pytest.mark.slow
def test_a_signal_ends_the_search_cleanly(here):
    path = write("interrupted")
    with driver(path, "train.epochs=4000") as process:
        wait_for(lambda: kinds("interrupted").count("ask") == 1 and trainings(process.pid), process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=100)
    assert process.returncode == 130
    assert "plumbline tune --resume interrupted-1" in errors
    assert "Traceback" not in errors
    (trial,) = Study.open("interrupted-1").trials()
    assert trial.result is None, "it was interrupted, which is no failure"
    assert not trainings(process.pid)


@pytest.mark.slow
def test_trials_whose_server_was_killed_go_on_in_others(here):
    path = write("orphaned")
    with driver(path, "train.epochs=60") as process:
        wait_for(lambda: kinds("orphaned").count("ask") == 1 and trainings(process.pid), process)
        (training,) = trainings(process.pid)
        psutil.Process(training.ppid()).kill()
        printed, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert "its process is gone" in printed
    assert [trial.result.status for trial in Study.open("orphaned-1").trials()] == ["scored", "scored"]
    assert not training.is_running()


@pytest.mark.slow
def test_the_memory_of_the_driver_of_thirty_trials_is_flat(here):
    path = write("many", trials=30)
    used = {}
    with driver(path, "train.epochs=1", "--workers=2") as process:
        known = psutil.Process(process.pid)
        while process.poll() is None:
            with contextlib.suppress(psutil.Error):
                used[kinds("many").count("tell")] = known.memory_info().rss
            time.sleep(0.2)
    assert [trial.result.status for trial in Study.open("many-1").trials()] == ["scored"] * 30
    assert (
        max(used[told] for told in used if 28 <= told < 30) - max(used[told] for told in used if 5 <= told <= 8)
        < 8 * 2**20
    )
