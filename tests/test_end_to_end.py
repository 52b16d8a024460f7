"""Whole runs: real stages, real training, a real MLflow store, models that serve."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import load_recipe, plan, run
from pipeline.errors import UserError
from pipeline.execution import preview
from pipeline.predict import predict
from pipeline.runs import list_runs

SMALL = [
    "train.epochs=5",
    "train.early_stopping=null",
    "model.batch_norm=false",
    "register.gate={}",
    "tracking.system_metrics=false",
]


@pytest.fixture(scope="module")
def here(tmp_path_factory, place_store):
    """A working directory for the module: runs share its store, as a user's do."""
    folder = tmp_path_factory.mktemp("work")
    place_store(folder / "mlruns")
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def first(here):
    """A short first run of the digits."""
    return run("digits", SMALL)


@pytest.fixture(scope="module")
def client(first):
    from pipeline.tracking import open_store

    return open_store("sqlite:///mlruns/mlflow.db", Path.cwd()).client


def actions(result) -> dict[str, str]:
    return {outcome.name: outcome.reason if outcome.ran else "reused" for outcome in result.outcomes}


def test_the_first_run_runs_every_stage_and_registers_a_model(first, client):
    assert actions(first) == dict.fromkeys(
        ("collect", "preprocess", "train", "evaluate", "register"), "first run of this recipe"
    )
    version = client.get_model_version_by_alias("digits", "champion")
    assert version.run_id == first.run_id
    assert first.test_metrics["accuracy"] > 0.5


def test_the_parent_run_holds_parameters_curves_and_results(first, client):
    run_ = client.get_run(first.run_id)
    assert run_.info.status == "FINISHED"
    assert run_.data.params["train.epochs"] == "5"
    assert run_.data.params["model.dropout"] == "0.3"
    curve = client.get_metric_history(first.run_id, "val_loss")
    assert [point.step for point in curve] == [0, 1, 2, 3, 4]
    assert run_.data.metrics["best/epoch"] == 4
    assert run_.data.metrics["test/accuracy"] == first.test_metrics["accuracy"]
    assert run_.data.tags["data.fingerprint"]
    assert "mlflow.note.content" in run_.data.tags
    assert run_.inputs.dataset_inputs[0].dataset.digest
    names = {artifact.path for artifact in client.list_artifacts(first.run_id)}
    assert {"report.html", "recipe.yaml", "environment.json", "collect", "train", "evaluate"} <= names
    assert "`report.html`" in run_.data.tags["mlflow.note.content"]


def test_the_report_tells_all_of_the_run_from_the_data_to_how_to_do_it_again(first):
    page = first.report.read_text(encoding="utf-8")
    titles = ("What was done", "Data", "Training", "Test results", "Registration", "Errors worth looking at", "Cost")
    assert [page.index(f"<h2>{title}</h2>") for title in titles] == sorted(page.index(f"<h2>{t}</h2>") for t in titles)
    assert first.outcomes[0].entry.result.summary in page
    assert f"plumbline replay {first.run_id[:8]}" in page
    assert first.tags["diagnosis.status"] in page
    assert "digits 1 (champion)" in page
    assert len(page) < 500_000


def test_each_stage_that_ran_is_a_nested_run(first, client):
    parent = client.get_run(first.run_id)
    nested = client.search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{first.run_id}'")
    assert sorted(r.info.run_name for r in nested) == ["collect", "evaluate", "preprocess", "register", "train"]
    assert {r.info.status for r in nested} == {"FINISHED"}


def test_a_second_run_runs_nothing_and_says_why(first):
    again = run("digits", SMALL)
    assert not again.ran
    assert again.run_id == first.run_id
    assert all(o.reason.startswith("nothing it depends on has changed") for o in again.outcomes)
    assert again.metrics == first.metrics


def test_a_changed_key_reruns_what_depends_on_it_and_names_it(first, client):
    recipe = load_recipe("digits", [*SMALL, "evaluate.errors_shown=4"])
    assert [(p.name, p.action) for p in plan(recipe)][-2:] == [("evaluate", "run"), ("register", "decide")]
    changed = run(recipe)
    assert actions(changed)["train"] == "reused"
    assert actions(changed)["evaluate"] == "recipe: evaluate.errors_shown 16 → 4"
    curve = client.get_metric_history(changed.run_id, "val_loss")
    assert [point.value for point in curve] == [
        point.value for point in client.get_metric_history(first.run_id, "val_loss")
    ]


def test_force_reruns_and_until_stops(first):
    forced = run("digits", SMALL, force=["preprocess"], until="preprocess")
    assert actions(forced) == {"collect": "reused", "preprocess": "forced"}


def test_a_plan_runs_nothing(here, first):
    before = sorted(str(path) for path in Path("mlruns").rglob("*"))
    planned = plan(load_recipe("digits", [*SMALL, "train.epochs=6"]))
    assert [(p.name, p.action) for p in planned] == [
        ("collect", "reuse"),
        ("preprocess", "reuse"),
        ("train", "run"),
        ("evaluate", "decide"),
        ("register", "decide"),
    ]
    assert planned[2].reason == "recipe: train.epochs 5 → 6"
    assert sorted(str(path) for path in Path("mlruns").rglob("*")) == before


def test_a_shown_recipe_gives_the_identical_run(first):
    from pipeline.recipe.load import dump_recipe

    Path("shown.yaml").write_text(dump_recipe(load_recipe("digits", SMALL)), encoding="utf-8")
    assert not run("shown.yaml").ran


def test_a_preview_is_a_picture_in_a_run_of_its_own_recipe(first, client, tmp_path):
    recipe = load_recipe("digits", [*SMALL, "augment=[{type: rotate, degrees: 90}]"])
    result = preview(recipe, tmp_path / "sheet.png")
    assert not result.ran
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG"
    assert [file.path for file in client.list_artifacts(result.run_id, "preview")] == ["preview/sheet.png"]
    assert client.get_run(result.run_id).data.params["augment.0.degrees"] == "90.0"
    assert client.get_run(result.run_id).info.status == "FINISHED"


@pytest.mark.slow
def test_only_the_version_that_serves_is_listed_as_champion(first, client):
    run("digits", [*SMALL, "train.epochs=7"])
    champion = client.get_model_version_by_alias("digits", "champion")
    listed = [row.registered for row in list_runs() if row.registered.startswith("digits")]
    assert [text for text in listed if "champion" in text] == [f"digits {champion.version} (champion)"]
    assert len(listed) > 1


@pytest.mark.slow
def test_a_model_that_left_the_registry_is_registered_again(first, client):
    client.delete_registered_model("digits")
    again = run("digits", SMALL)
    assert [o.name for o in again.outcomes if o.ran] == ["register"]
    assert client.get_model_version_by_alias("digits", "champion")


@pytest.mark.slow
def test_a_table_of_ones_own_runs_with_a_short_recipe(here):
    rng = np.random.default_rng(0)
    rows = ["size;colour;when;new;price"]
    for i in range(400):
        size, colour = rng.normal(10, 3), rng.choice(["red", "green", "blue"])
        price = 3 * size + {"red": 5, "green": 0, "blue": -5}[colour] + rng.normal(0, 0.5)
        shown = "-" if i % 17 == 0 else f"{size:.3f}"
        rows.append(f"{shown};{colour};2024-{1 + i % 12:02}-03;{'true' if i % 2 else 'false'};{price:.3f}")
    Path("houses.csv").write_text("\n".join(rows), encoding="utf-8")
    Path("houses.yaml").write_text(
        "name: houses\ndata: {type: csv, path: houses.csv, label: price, separator: ;, missing: ['-']}\n"
        "model: {type: mlp}\n"
        "train: {epochs: 60, optimizer: {learning_rate: 1e-2}}\n"
        "tracking: {system_metrics: false}\n",
        encoding="utf-8",
    )
    result = run("houses.yaml")
    assert result.test_metrics["r2"] > 0.8
    new = ["size;colour;when;new", *(f"{row};2024-05-03;true" for row in ("12;red", "12;blue", "-;blue"))]
    Path("new.csv").write_text("\n".join(new), encoding="utf-8")
    red, blue, unknown = predict("houses", Path("new.csv"))["prediction"]
    assert red > blue
    assert abs(unknown - blue) < 15


@pytest.mark.slow
def test_a_folder_of_images_of_ones_own_runs_with_a_short_recipe(here):
    rng = np.random.default_rng(0)
    for i in range(240):
        shape = (rng.integers(16, 24), rng.integers(16, 24), 3)
        pixels = rng.integers(0, 80, shape, dtype=np.uint8)
        name = ("left", "right")[i % 2]
        half = pixels[:, : shape[1] // 2] if name == "left" else pixels[:, shape[1] // 2 :]
        half += 120
        image = Image.fromarray(pixels) if i % 3 else Image.fromarray(pixels[..., 0])
        file = Path("images", name, f"{i}.{'png' if i % 2 else 'jpg'}")
        file.parent.mkdir(parents=True, exist_ok=True)
        image.save(file)
    Path("images.yaml").write_text(
        "name: sides\ndata: {type: folder, path: images, batch_size: 16}\nmodel: {type: cnn, filters: [8, 16]}\n"
        "train: {epochs: 12}\ntracking: {system_metrics: false}\n",
        encoding="utf-8",
    )
    assert run("images.yaml", until="evaluate").test_metrics["accuracy"] > 0.9


@pytest.mark.slow
def test_texts_of_ones_own_run_with_a_short_recipe(here):
    rng = np.random.default_rng(0)
    good, bad = ["lovely", "great", "fine", "superb"], ["dull", "poor", "awful", "weak"]
    filler = ["the", "film", "and", "its", "story", "was", "told", "by", "an", "actor", "in", "a", "town"]
    with Path("reviews.jsonl").open("w", encoding="utf-8") as file:
        for i in range(500):
            words = [*rng.choice(filler, 8), *rng.choice(good if i % 2 else bad, 2)]
            rng.shuffle(words)
            file.write(json.dumps({"review": " ".join(words), "stars": ("one", "five")[i % 2]}) + "\n")
    Path("reviews.yaml").write_text(
        "name: reviews\ndata: {type: text, path: reviews.jsonl, text: review, label: stars}\n"
        "model: {type: text, embedding_dim: 16}\ntrain: {epochs: 15, optimizer: {learning_rate: 1e-2}}\n"
        "tracking: {system_metrics: false}\n",
        encoding="utf-8",
    )
    assert run("reviews.yaml").test_metrics["accuracy"] > 0.95
    assert predict("reviews", Path("reviews.jsonl"))["prediction"].isin(["one", "five"]).all()


def test_a_mistake_in_the_data_ends_before_anything_is_tracked(here):
    with pytest.raises(UserError, match=r"nowhere\.csv"):
        run({"name": "x", "data": {"type": "csv", "path": "nowhere.csv", "label": "y"}, "model": {"type": "mlp"}})


def test_a_directory_that_cannot_be_made_is_refused_at_once(here):
    Path("file").touch()
    with pytest.raises(
        UserError, match=r"tracking\.directory: expected a folder that can be written\. Received: file/a"
    ):
        run("digits", ["tracking.directory=file/a"])


@pytest.mark.slow
def test_a_run_killed_in_training_is_closed_and_done_again(here, first, client):
    arguments = ["run", "digits", *SMALL, "train.epochs=200", "name=killed"]
    process = subprocess.Popen([sys.executable, "-m", "pipeline", *arguments], stdout=subprocess.DEVNULL)
    experiment = wait_for(lambda: client.get_experiment_by_name("killed"))
    train = wait_for(lambda: client.search_runs([experiment.experiment_id], "tags.mlflow.runName = 'train'"))[0]
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert client.get_run(train.info.run_id).info.status == "RUNNING"
    again = run("digits", [*SMALL, "train.epochs=2", "name=killed"], until="train")
    assert client.get_run(train.info.run_id).info.status == "KILLED"
    assert actions(again)["train"] == "first run of this recipe"
    assert not list(Path("mlruns/stages/train").glob(".*.partial/network.keras"))


@pytest.mark.slow
def test_killed_runs_are_closed_even_where_nothing_has_to_run(here, first, client):
    process = subprocess.Popen([sys.executable, "-m", "pipeline", "run", "digits", *SMALL, "--force", "train"])
    dying = wait_for(
        lambda: client.search_runs([client.get_run(first.run_id).info.experiment_id], "status = 'RUNNING'")
    )
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not run("digits", SMALL).ran
    assert client.get_run(dying[0].info.run_id).info.status == "KILLED"


@pytest.mark.slow
def test_sigterm_ends_a_run_as_killed_with_exit_code_143(here, first, client):
    arguments = ["run", "digits", *SMALL, "train.epochs=200", "name=stopped"]
    process = subprocess.Popen([sys.executable, "-m", "pipeline", *arguments], stdout=subprocess.DEVNULL)
    experiment = wait_for(lambda: client.get_experiment_by_name("stopped"))
    wait_for(lambda: client.search_runs([experiment.experiment_id], "tags.mlflow.runName = 'train'"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 143
    assert {r.info.status for r in client.search_runs([experiment.experiment_id])} <= {"KILLED", "FINISHED"}
    assert client.search_runs([experiment.experiment_id], "attributes.status = 'KILLED'")


def wait_for(condition, seconds: float = 90):
    """Waits until `condition()` gives something true, and returns it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.2)
    raise AssertionError("it did not happen in time")
