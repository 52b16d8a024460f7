"""A search on a real Ray cluster of two nodes on this machine, one of which is killed while it trains."""

import contextlib
import threading
import time
from pathlib import Path

import psutil
import pytest
import ray
from ray.cluster_utils import Cluster

from pipeline.errors import UserError
from pipeline.recipe.load import load_recipe
from tuning.ray_engine import share_of_gpus
from tuning.tune import tune

RECIPE = {
    "name": "spread",
    "data": {"type": "breast_cancer"},
    "model": {"type": "mlp", "units": [4]},
    "train": {"epochs": 100, "on_sick": "ignore", "checkpoint": {"every_secs": 0.2}},
    "tracking": {"system_metrics": False},
    "tune": {
        "objective": "val_accuracy",
        "trials": 2,
        "finalists": 0,
        "space": {"model.dropout": {"type": "float", "low": 0.0, "high": 0.5}},
    },
}


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes of one processor each, the head and another."""
    monkeypatch.setenv("RAY_worker_niceness", "0")  # by default 15: behind all other tests
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def has_saved(node) -> bool:
    """Whether a training on a node has left a checkpoint, and goes on."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    with contextlib.suppress(psutil.NoSuchProcess):
        files = [Path(file.path) for child in raylet.children(recursive=True) for file in child.open_files()]
        locks = [file for file in files if file.parent.name == "train" and file.suffix == ".lock"]
        return any(list(lock.with_suffix(".partial").glob("checkpoints/*.checkpoint")) for lock in locks)
    return False


@pytest.mark.slow
def test_a_search_outlives_one_of_its_two_nodes(cluster, here):
    (node,) = cluster.worker_nodes

    def kill_it_once_it_has_saved():
        while not has_saved(node):
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)

    killer = threading.Thread(target=kill_it_once_it_has_saved, daemon=True)
    killer.start()
    study = tune(load_recipe(RECIPE), workers=2, engine="ray").study
    assert not killer.is_alive()
    first, second = study.trials()
    assert [trial.result.epochs for trial in (first, second)] == [100, 100]
    journals = [Path(trial.result.weights, "journal.jsonl") for trial in (first, second)]
    assert sum("goes on from epoch" in journal.read_text() for journal in journals) == 1


@pytest.mark.slow
def test_more_threads_than_any_machine_has_are_refused(cluster, here):
    recipe = load_recipe(RECIPE, ["train.threads=2"])
    with pytest.raises(UserError, match=r"train\.threads: expected at most 1, .* Received: 2"):
        tune(recipe, engine="ray")
    assert not list(here.glob("mlruns/studies/*"))


def test_without_a_cluster_it_says_how_to_start_one(here, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(UserError, match="ray start --head"):
        tune(load_recipe(RECIPE), engine="ray")


@pytest.mark.parametrize(
    ("machines", "places", "share"),
    [([0, 0], 3, 0), ([4], 2, 2), ([2], 4, 0.5), ([1, 1], 1, 1), ([1, 1], 3, 0.5), ([8, 1], 3, 2)],
)
def test_places_have_as_many_gpus_as_let_all_of_them_fit(machines, places, share):
    assert share_of_gpus(machines, places) == share
    assert not share or sum(gpus // share for gpus in machines) >= places
