"""The commands: where a study lies, which budget it goes on with, and what they say of one that runs."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.recipe.load import load_recipe
from tuning import command
from tuning.study import Job, Study

RECIPE = """
name: told
data: {type: breast_cancer}
model: {type: mlp}
tune: {space: {model.dropout: {type: float, low: 0.0, high: 0.5}}}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("told.yaml").write_text(RECIPE)


def created(*overrides, **facts):
    return Study.create(load_recipe("told.yaml", overrides), **{"budget_secs": None, **facts})


def test_a_study_is_advised_where_it_lies():
    assert created().argument == "told-1"
    study = created("tracking.directory=my runs")
    study.asked(Job(0, {}))
    assert study.argument == "told-1 --directory 'my runs'"
    shown = CliRunner().invoke(command.study, ["told-1", "--directory", "my runs"]).output
    assert "interrupted" in shown
    assert "plumbline tune --resume told-1 --directory 'my runs'" in shown


def test_a_new_study_lies_in_the_directory_that_is_given(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # no cluster: it ends before anything is trained
    ended = CliRunner().invoke(command.tune, ["told.yaml", "--directory", "else where", "--engine", "ray"])
    assert "ray start --head" in ended.output
    assert Path("else where/studies").is_dir()
    assert not Path("mlruns/studies").exists()


def test_a_study_goes_on_with_the_budget_of_its_last_session():
    study = created(budget_secs=600.0)
    assert study.budget_secs == 600
    study.record("session", budget=3600.0)
    assert Study.open("told-1").budget_secs == 3600


def test_a_study_that_a_process_drives_is_running():
    study = created()
    study.asked(Job(0, {}))
    with study.only_driver():
        shown = CliRunner().invoke(command.study, ["told-1"]).output
        assert "running" in CliRunner().invoke(command.studies).output
    assert "trial 0  running" in shown
    assert "interrupted" not in shown
    assert "--resume" not in shown
    assert "not finished" in CliRunner().invoke(command.studies).output
