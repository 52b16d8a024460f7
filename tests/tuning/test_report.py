"""What is said of a study: the winner by fresh seeds, the gain with its interval, what matters, tables and figures."""

import csv
import io
import math
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from scipy import stats

from pipeline.recipe.load import load_recipe
from tuning.display import (
    LiveView,
    duration,
    gain_in_words,
    print_schedule,
    print_study,
    score_caveat,
    score_in_words,
    studies_table,
    trials_table,
)
from tuning.engine import Worker
from tuning.figures import draw_study
from tuning.importance import importance
from tuning.outcome import conclude, gain_of
from tuning.report import note, write_trials
from tuning.schedule import Rung, Schedule
from tuning.space import Space
from tuning.study import DEFAULTS, Job, Result, Study, Trial, list_studies, ranked
from tuning.tune import without_default_trials

RATES = np.geomspace(1e-4, 1e-1, 24)


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Twenty-four trials whose score is best near a rate of 0.003, one that failed, finalists."""
    monkeypatch.chdir(tmp_path)
    space = {
        "train.optimizer.learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
        "model.batch_norm": {"type": "boolean"},
        "model.units": {"type": "choice", "values": [[4], [8]]},
    }
    tree = {"name": "told", "data": {"type": "breast_cancer"}, "model": {"type": "mlp"}}
    recipe = load_recipe({**tree, "tune": {"objective": "val_accuracy", "finalists": 2, "space": space}})
    made = Study.create(recipe, budget_secs=None)
    made.record("session")
    for number, rate in enumerate(RATES):
        norm, units = bool(number % 2), [4] if number % 3 else [8]
        job = Job(
            number, {"train.optimizer.learning_rate": float(rate), "model.batch_norm": norm, "model.units": units}
        )
        made.asked(job)
        score = 0.9 - 0.1 * abs(math.log10(rate / 0.003)) + 0.001 * norm
        made.told(job, Result("scored", score=score, epochs=3, best_epoch=2, seconds=2.0))
    failed = Job(24, {"train.optimizer.learning_rate": 0.05, "model.batch_norm": True, "model.units": [4]})
    made.asked(failed)
    made.told(failed, Result("failed", cause="nan: loss became nan"))
    made.record("end", reason="all 25 trials ran")
    best, second = (trial.number for trial in ranked(made.trials(), "max")[:2])
    scores = {DEFAULTS: (0.80, 0.81, 0.79), best: (0.84, 0.86, 0.83), second: (0.88, 0.87, 0.86)}
    for number, row in scores.items():
        for seed, score in enumerate(row):
            made.told(Job(number, {}, seed=seed), Result("scored", score=score, epochs=3))
    return made


def test_the_best_is_chosen_by_fresh_seeds(study):
    outcome = conclude(study, Space.of(study.recipe))
    second = ranked(study.trials(), "max")[1]
    assert outcome.best.number == second.number
    differences = np.array([0.08, 0.06, 0.07])
    interval = stats.t.interval(0.95, 2, differences.mean(), stats.sem(differences))
    assert (outcome.gain.low, outcome.gain.high) == pytest.approx(interval)
    best = load_recipe(study.folder / "best.yaml")
    assert best.train.optimizer.learning_rate == second.job.point["train.optimizer.learning_rate"]
    assert (best.name, best.tune) == ("told", None)
    assert "\n# train.on_sick=stop, as in the trial" in (study.folder / "best.yaml").read_text(encoding="utf-8")


def test_a_finalist_that_failed_once_comes_behind_those_that_did_not(study):
    best, second = (trial.number for trial in ranked(study.trials(), "max")[:2])
    study.told(Job(second, {}, seed=2), Result("failed", cause="nan"))
    outcome = conclude(study, Space.of(study.recipe))
    assert outcome.best.number == best
    assert str(outcome.fresh) == "0.8433 on average of 3 other seeds"
    assert score_in_words(outcome) == "0.8433 on average of 3 other seeds (0.8968 in the search)"
    study.told(Job(best, {}, seed=1), Result("failed", cause="nan"))
    assert str(conclude(study, Space.of(study.recipe)).fresh) == "0.875 on average of 2 other seeds, 1 of 3 failed"


def test_a_finalist_of_an_earlier_session_does_not_cost_those_of_now_their_seeds(study):
    third = ranked(study.trials(), "max")[2].number
    study.told(Job(third, {}, seed=0), Result("scored", score=0.89, epochs=3))
    outcome = conclude(study, Space.of(study.recipe))
    assert outcome.best.number == ranked(study.trials(), "max")[1].number
    assert len(outcome.fresh.scores) == 3


def test_a_gain_takes_two_pairs_of_the_same_seed():
    scored = {(DEFAULTS, 0): 0.5, (DEFAULTS, 1): 0.5, (3, 0): 0.6}
    repeats = {key: Result("scored", score=score) for key, score in scored.items()}
    assert gain_of(3, repeats, "max") is None
    assert gain_of(3, {**repeats, (3, 1): Result("failed", cause="nan")}, "max") is None
    assert gain_of(3, {**repeats, (3, 1): Result("scored", score=0.8)}, "max").mean == pytest.approx(0.2)


def test_a_gain_is_positive_where_a_loss_is_lower(study):
    scores = {(DEFAULTS, 0): 0.5, (DEFAULTS, 1): 0.6, (3, 0): 0.4, (3, 1): 0.3}
    gain = gain_of(3, {key: Result("scored", score=score) for key, score in scores.items()}, "min")
    assert gain.mean == pytest.approx(0.2)
    assert gain.low < gain.mean < gain.high
    outcome = replace(conclude(study, Space.of(study.recipe)), gain=gain)
    section = study.recipe.tune.model_copy(update={"objective": "val_loss"})
    assert "+0.2 [" in gain_in_words(outcome, section)
    assert gain_in_words(outcome, section).endswith("; positive: lower by so much")


def test_what_matters_is_found(study):
    found = importance(study.trials(), Space.of(study.recipe))
    assert next(iter(found.shares)) == "train.optimizer.learning_rate"
    assert found.shares["train.optimizer.learning_rate"] > 0.9
    assert sum(found.shares.values()) == pytest.approx(1)
    assert found.explained > 0.5
    assert importance(study.trials()[:9], Space.of(study.recipe)) is None


def test_figures_and_table_are_written(study):
    space = Space.of(study.recipe)
    files = draw_study(study, space, "max", importance(study.trials(), space))
    assert [file.name for file in files] == [
        "history.png",
        "slices.png",
        "parallel_coordinates.png",
        "importance.png",
    ]
    for file in files:
        assert np.ptp(np.asarray(Image.open(file).convert("L"))) > 100
    rows = list(csv.DictReader(write_trials(study, space).read_text().splitlines()))
    assert len(rows) == 25
    assert rows[24]["cause"] == "nan: loss became nan"


def test_the_note_says_what_to_run(study):
    outcome = conclude(study, Space.of(study.recipe))
    said = note(study, outcome, None, study.reason())
    assert "25 trials, 1 failed; all 25 trials ran" in said
    assert "plumbline run mlruns/studies/told-1/best.yaml" in said
    assert str(outcome.gain) in said


def printed(what) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(what)
    return console.export_text()


def test_tables_say_state_and_cause(study, capsys):
    shown = printed(trials_table(study.trials()))
    assert "failed: nan: loss became nan" in shown
    assert "all 25 trials ran" in printed(studies_table(list_studies("mlruns")))
    print_study(study)
    lines = capsys.readouterr().out.splitlines()
    assert f"trial {ranked(study.trials(), 'max')[0].number}" in lines[1]
    assert "trial 24" in lines[-2]


def test_the_live_table_says_how_far_the_search_is(study):
    view = LiveView(study, Schedule((Rung("trials", 48, 0, 3),), None))
    assert "25 trials ended, best 0.8968 (trial 11), about 0.0 s left" in printed(view._drawn())


def test_the_time_left_counts_finalists_and_takes_early_ends_for_whole_trainings(study):
    epochs = study.recipe.train.epochs
    view = LiveView(study, Schedule((Rung("trials", 28, 0, epochs),), Rung("finalists", 18, 0, epochs)))
    assert view._left_secs(study.trials()) == pytest.approx(study.spent_secs() * 9 / 34), "the search has ended"
    ended = study.trials()
    study.asked(Job(25, {}))
    assert view._left_secs(ended) == pytest.approx(study.spent_secs() * (3 + 9) / 34)
    study.asked(Job(0, {}, rung=1, epochs=epochs))
    view.started(Job(0, {}, rung=1, epochs=epochs), Worker(0, time.monotonic()))
    rest = 1 - 3 / epochs
    assert view._left_secs(ended) == pytest.approx(study.spent_secs() * (3 + rest + 9) / (34 - rest))


def test_causes_and_values_are_printed_as_they_are(study, capsys):
    view = LiveView(study, Schedule((Rung("trials", 48, 0, 3),), None))
    job, cause = Job(30, {"augment": "[node x]"}), "FileNotFoundError: expected [/data/a, /data/b] on [node x]"
    view.started(job, Worker(0, time.monotonic()))
    assert "augment=[node x]" in printed(view._drawn())
    view.ended(job, Result("failed", cause=cause))
    assert cause in capsys.readouterr().out


def test_the_live_table_says_how_far_each_worker_is(study):
    view = LiveView(study, Schedule((Rung("trials", 48, 0, 3),), None))
    worker = Worker(0, time.monotonic())
    view.started(Job(30, {"model.batch_norm": True}, epochs=9), worker)
    assert "starts" in printed(view._drawn())
    worker.message = {"epoch": 3, "objective": 0.75}
    assert "epoch 4 of 9" in printed(view._drawn())


MEASURED = {"epoch_secs": 1.0, "start_secs": 2.0, "trial_bytes": 1000.0}


def test_more_threads_than_cores_are_told_before_the_search(study, capsys):
    recipe = study.recipe.model_validate({**study.recipe.model_dump(by_alias=True), "train": {"threads": 8}})
    for cores, said in ((8, True), (32, False), (None, False)):
        schedule = Schedule((Rung("trials", 25, 0, 3),), None)
        print_schedule(study, Space.of(recipe), schedule, MEASURED, 4, None, cores=cores)
        assert ("4 trials at once on 8 threads each are more than the 8 cores" in capsys.readouterr().out) == said


def test_of_a_search_that_a_budget_ends_what_fits_is_told(study, capsys):
    plain = load_recipe(study.folder / "recipe.yaml", ["tune.trials=null", "tune.algorithm=random"])
    study.recipe = without_default_trials(plain)
    finals = Rung("finalists", 4, 0, 3)
    whole = Schedule((Rung("trials", study.recipe.tune.trials, 0, 3),), finals)
    schedule = whole.fitted(MEASURED, 2, 60)
    assert schedule.finals == finals
    assert schedule.rungs[0].jobs == 20, "5 s a training, 2 at once, 10 s of 60 s left to the finalists"
    assert whole.fitted(MEASURED, 2, 12).rungs[0].jobs == 2
    print_schedule(study, Space.of(study.recipe), schedule, MEASURED, 2, 60)
    assert "the budget is 1 min 0 s: as many trials as fit" in capsys.readouterr().out


def test_a_budget_lifts_no_number_of_trials_that_someone_gave(study):
    for asked in ("tune.trials=7", "tune.algorithm=grid", "tune.algorithm=hyperband"):
        given = load_recipe(study.folder / "recipe.yaml", ["tune.trials=null", asked])
        assert without_default_trials(given) == given


def test_a_bayesian_search_says_how_long_it_is_random(study, capsys):
    study.recipe = load_recipe(study.folder / "recipe.yaml", ["tune.algorithm=bayesian"])
    for trials, said in (
        (9, "until 9 trials have a score: all of the 9 planned are"),
        (10, "until 9 trials have a score\n"),
    ):
        schedule = Schedule((Rung("trials", trials, 0, 3),), None)
        print_schedule(study, Space.of(study.recipe), schedule, MEASURED, 1, None)
        assert said in capsys.readouterr().out


def test_a_score_of_an_earlier_epoch_than_run_keeps_is_told(study):
    epochs = study.recipe.train.epochs
    outcome = conclude(study, Space.of(study.recipe))

    def caveat(best_epoch, **job):
        result = Result("scored", score=0.9, epochs=job.get("epochs", epochs), best_epoch=best_epoch)
        return score_caveat(study, replace(outcome, best=Trial(Job(0, {}, **job), result)))

    assert "epoch 2 of" in caveat(1)
    assert caveat(epochs - 1) == ""
    assert "of which the trial had 3" in caveat(2, epochs=3)
    study.recipe = load_recipe(study.folder / "recipe.yaml", ["train.early_stopping={}"])
    assert caveat(1) == ""


@pytest.mark.parametrize(("secs", "words"), [(3.14, "3.1 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")])
def test_durations_in_words(secs, words):
    assert duration(secs) == words
