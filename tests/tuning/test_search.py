"""The course of a search, with trainings that take no time: killed at every event, failing, out of budget."""

import json
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from pipeline.errors import UserError
from pipeline.recipe.load import load_recipe
from tuning.engine import MAX_RESTARTS
from tuning.oracles import open_oracle
from tuning.schedule import plan_search
from tuning.search import Search
from tuning.space import Space
from tuning.study import Result, Study, ranked

SPACE = {
    "model.dropout": {"type": "float", "low": 0.0, "high": 0.5, "step": 0.1},
    "train.optimizer.learning_rate": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
}
ALGORITHMS = {"random": 4, "grid": 4, "bayesian": 5, "hyperband": 5, "asha": 5}


class Killed(BaseException):
    """The driver is gone."""


class Instant:
    """Workers whose trainings have ended when they begin; every fifth point fails.

    Args:
        num: Places.
        lifo: Whether the last training begun ends first.
    """

    def __init__(self, num=1, lifo=False):
        self.num, self.lifo, self.running, self.begun = num, lifo, [], 0

    @property
    def free(self):
        return len(self.running) < self.num

    @property
    def busy(self):
        return bool(self.running)

    def start(self, target, log):
        self.end(*target.args[:2])
        worker = SimpleNamespace(slot=self.begun, message={}, started=0.0, lost=False)
        self.begun += 1
        self.running.append(worker)
        return worker

    def end(self, folder, out):
        """Writes the result of a trial."""
        recipe = load_recipe(folder / "recipe.yaml")
        rate, epochs = recipe.train.optimizer.learning_rate, recipe.train.stop_after_epochs or recipe.train.epochs
        score = round(rate * 1e4) % 97 + recipe.model.dropout - 1 / epochs
        failed = round(rate * 1e4) % 5 == 3
        result = Result("failed", cause="nan: no number") if failed else Result("scored", score=score, epochs=epochs)
        out.write_text(json.dumps(asdict(result)))

    def wait(self, timeout):
        yield self.running.pop(-1 if self.lifo else 0)

    def stop(self):
        self.running.clear()


class Keeping(Instant):
    """Workers whose trainings leave weights; counts how many more lie there than there were trials."""

    def __init__(self):
        super().__init__()
        self.trials, self.excess = set(), 0

    def end(self, folder, out):
        """Writes weights, and a result that names them."""
        self.excess = max(self.excess, len(self.left()) - len(self.trials))
        self.trials.add(folder)
        super().end(folder, out)
        result = json.loads(out.read_text())
        if result["score"] is None:
            return
        weights = Path(f"kept/{self.begun}").absolute()
        weights.mkdir(parents=True)
        for name in ("network.keras", "entry.json", "history.json"):
            (weights / name).touch()
        out.write_text(json.dumps({**result, "weights": str(weights)}))

    def left(self):
        """The weights that lie there."""
        return sorted(Path().glob("kept/[!.]*/network.keras"))


class Murdered(Instant):
    """Workers whose first trainings are killed from outside.

    Args:
        deaths: How many.
    """

    def __init__(self, deaths):
        super().__init__()
        self.deaths = deaths

    def start(self, target, log):
        self.deaths -= 1
        worker = super().start(target, log)
        worker.lost = self.deaths >= 0
        return worker

    def end(self, folder, out):
        if self.deaths < 0:
            super().end(folder, out)

    def cause_of_death(self, worker):
        return "killed: SIGKILL"


class Silent:
    """Shows nothing."""

    tags = {}

    def started(self, job, worker):
        pass

    def ended(self, job, result):
        pass

    def lost(self, job):
        pass

    def tick(self):
        pass

    def log_death(self, trial, result):
        pass

    def log_progress(self, direction):
        pass


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def recipe(algorithm="random", trials=5, **tune):
    section = {"algorithm": algorithm, "trials": trials, "objective": "val_accuracy", "finalists": 1, "seeds": 2}
    tree = {
        "name": "instant",
        "data": {"type": "breast_cancer"},
        "model": {"type": "mlp"},
        "train": {"epochs": 3},
        "tune": {**section, "space": SPACE, **tune},
    }
    return load_recipe(tree)


def search(study, workers, budget_secs=None):
    section, space = study.recipe.tune, Space.of(study.recipe)
    oracle = open_oracle(
        section.algorithm,
        space.hyperparameters(grid=section.algorithm == "grid"),
        direction="max",
        seed=0,
        max_trials=section.trials,
        max_epochs=study.recipe.train.epochs,
        min_epochs=1,
        factor=3,
    )
    return Search(study, space, oracle, workers, Silent(), Silent(), budget_secs)


def outcome(study):
    trials = [(trial.job, trial.result) for trial in study.trials()]
    return trials, study.repeats(), study.reason()


@contextmanager
def killed_after(study, events, at_once=False):
    """Kills the driver when so many events are on the disk: before the next one, or at once, before any effect."""
    record = study.record

    def recorded(kind, **more):
        if len(study.events) == events:
            raise Killed
        record(kind, **more)
        if at_once and len(study.events) == events:
            raise Killed

    study.record = recorded
    with pytest.raises(Killed):
        yield


@pytest.mark.parametrize(
    "algorithm",
    [pytest.param(name, marks=() if name in ("random", "hyperband") else pytest.mark.slow) for name in ALGORITHMS],
)
def test_a_search_killed_at_any_event_ends_as_if_never_killed(algorithm):
    # The Gaussian process takes a second for each point: one key, so that it begins with the fourth, and few kills.
    is_slow = algorithm == "bayesian"
    space = {"train.optimizer.learning_rate": SPACE["train.optimizer.learning_rate"]} if is_slow else SPACE
    given = recipe(algorithm, ALGORITHMS[algorithm], space=space)
    whole = Study.create(given)
    search(whole, Instant()).run()
    kinds = [event["kind"] for event in whole.events]
    assert kinds.count("tell") == kinds.count("ask") + 4
    for events in (8, 9) if is_slow else range(len(kinds)):
        study = Study.create(given)
        with killed_after(study, events, at_once=events % 2 == 1):
            search(study, Instant()).run()
        continued = Study.open(study.name)
        search(continued, Instant()).run()
        assert outcome(continued) == outcome(whole), f"killed after {events} events"


@pytest.mark.parametrize("algorithm", ["grid", "hyperband", "asha"])
def test_with_several_workers_the_events_decide(algorithm):
    """Killed, it says the same asks and tells again, in the order in which they came."""
    study = Study.create(recipe(algorithm, ALGORITHMS[algorithm]))
    with killed_after(study, 9):
        search(study, Instant(3, lifo=True)).run()
    before = [event for event in study.events if event["kind"] != "session"]
    continued = Study.open(study.name)
    search(continued, Instant(3)).run()
    after = [event for event in continued.events if event["kind"] != "session"]
    assert after[: len(before)] == before
    assert all(trial.result for trial in continued.trials())


def test_a_result_that_was_written_before_the_kill_is_not_trained_again():
    study = Study.create(recipe(trials=3))
    with killed_after(study, 2):
        search(study, Instant()).run()
    workers = Instant()
    search(Study.open(study.name), workers).run()
    assert workers.begun == 2 + 4


@pytest.mark.parametrize("algorithm", ["hyperband", "asha"])
def test_a_trial_keeps_one_training_at_most_while_it_may_go_on_and_the_best_are_left(algorithm):
    study, workers = Study.create(recipe(algorithm, 9, finalists=0, keep=2)), Keeping()
    search(study, workers).run()
    trained = [event["trial"] for event in study.events if event["kind"] == "tell" and event["result"]["weights"]]
    assert len(set(trained)) < len(trained), "some went on"
    assert workers.excess == 0
    best = [trial.result.weights for trial in ranked(study.trials(), "max")[:2]]
    assert [str(file.parent.absolute()) for file in workers.left()] == sorted(best)


def test_a_trial_that_is_killed_goes_on_and_fails_if_that_goes_on_too():
    whole, killed, doomed = (Study.create(recipe(trials=2, finalists=0)) for _ in range(3))
    search(whole, Instant()).run()
    search(killed, Murdered(MAX_RESTARTS)).run()
    assert outcome(killed) == outcome(whole)
    search(doomed, Murdered(MAX_RESTARTS + 1)).run()
    first, second = doomed.trials()
    assert (first.result.status, first.result.cause) == ("failed", "killed: SIGKILL")
    assert second.result == whole.trials()[1].result


def test_failures_never_stop_a_search_unless_the_recipe_says_so():
    failing = {"train.optimizer.learning_rate": {"type": "choice", "values": [0.0003, 0.0008, 0.0013, 0.0018]}}
    endless = Study.create(recipe(space=failing, trials=4))
    assert search(endless, Instant()).run() == "all 4 trials ran"
    assert not ranked(endless.trials(), "max")
    limited = Study.create(recipe(space=failing, trials=4, max_failures=1))
    assert search(limited, Instant()).run() == "2 trials failed, more than tune.max_failures (1)"


def test_a_budget_ends_a_search_with_a_reason():
    study = Study.create(recipe())
    assert search(study, Instant(), budget_secs=1e-6).run() == "the budget of 0 s is spent"
    assert study.trials() == []


def test_a_search_that_its_budget_ended_goes_on_with_a_larger_one():
    whole, study = Study.create(recipe()), Study.create(recipe())
    search(whole, Instant()).run()
    search(study, Instant(), budget_secs=1e-6).run()
    assert search(Study.open(study.name), Instant(), budget_secs=1e-6).run() == "the budget of 0 s is spent"
    larger = Study.open(study.name)
    assert search(larger, Instant(), budget_secs=1e6).run() == "all 5 trials ran"
    assert larger.budget_secs == 1e6
    assert outcome(larger) == outcome(whole)
    assert search(Study.open(study.name), Instant(), budget_secs=2e6).run() == "all 5 trials ran"


@pytest.mark.parametrize("algorithm", ["hyperband", "asha"])
def test_what_may_be_promoted_under_a_larger_budget_is_kept_until_the_search_ends(algorithm):
    class Spending(Keeping):
        def end(self, folder, out):
            super().end(folder, out)
            if self.begun == 3:
                ended.budget_secs = 1e-6

    study, workers = Study.create(recipe(algorithm, 9, finalists=0, keep=1)), Spending()
    ended = search(study, workers, budget_secs=1e6)
    assert ended.run() == "the budget of 0 s is spent"
    scored = [trial.result.weights for trial in study.trials() if trial.result.weights]
    assert len(scored) > 1
    assert [str(file.parent.absolute()) for file in workers.left()] == sorted(scored)
    search(Study.open(study.name), workers, budget_secs=1e6).run()
    assert len(workers.left()) == 1


def test_a_budget_leaves_the_finalists_their_time():
    study = Study.create(recipe(trials=1000))
    limited = search(study, Instant(), budget_secs=6.0)
    limited.finals_secs = 1e9
    assert limited.run() == "the budget of 6 s is spent, but for 3 s that are left to the finalists"
    assert len(study.repeats()) == 4


@pytest.mark.parametrize(
    ("trials", "values", "said"),
    [(2, 40, "2 are fewer than hyperband's smallest bracket"), (None, 4, "expected at least 9 points")],
)
def test_a_hyperband_that_could_train_nothing_is_refused(trials, values, said):
    space = {"model.units": {"type": "choice", "values": [[units] for units in range(1, values + 1)]}}
    given = recipe("hyperband", trials, space=space)
    given = given.model_copy(update={"train": given.train.model_copy(update={"epochs": 9})})
    study = Study.create(given)
    with pytest.raises(UserError, match=said):
        plan_search(given, Space.of(given), search(study, Instant()).oracle)


def torn():
    """A study whose fifth event a kill has torn, and its file."""
    study = Study.create(recipe(trials=3))
    with killed_after(study, 4):
        search(study, Instant()).run()
    file = study.folder / "events.jsonl"
    file.write_bytes(file.read_bytes() + b'{"seq": 4, "kind": "te')
    return study, file


def test_who_only_looks_leaves_an_event_that_is_just_written():
    study, file = torn()
    before = file.read_bytes()
    assert len(Study.open(study.name).trials()) == len(study.trials())
    assert file.read_bytes() == before


def test_a_driver_knows_what_another_did_since_the_study_was_opened():
    study = Study.create(recipe())
    late = Study.open(study.name)
    with study.only_driver():
        search(study, Instant()).run()
    with late.only_driver():
        assert search(late, Instant()).run() == "all 5 trials ran"
    assert outcome(late) == outcome(study)


def test_an_invalid_point_is_never_trained():
    space = {
        "train.optimizer.type": {"type": "choice", "values": ["sgd", "adam"]},
        "train.optimizer.momentum": {"type": "choice", "values": [0.9]},
    }
    study = Study.create(recipe("grid", None, space=space, finalists=0))
    workers = Instant()
    assert search(study, workers).run() == "every point of the grid has been tried"
    assert [trial.result.status for trial in study.trials()] == ["scored", "invalid"]
    assert "adam has no such argument" in study.trials()[1].result.cause
    assert workers.begun == 1


def test_events_of_another_oracle_are_refused():
    study = Study.create(recipe())
    with killed_after(study, 4):
        search(study, Instant()).run()
    other = search(Study.open(study.name), Instant())
    other.oracle = search(Study.create(recipe("grid")), Instant()).oracle
    with pytest.raises(UserError, match="does not suggest trial 0 again"):
        other.run()


def test_a_study_has_one_driver_and_keeps_its_libraries():
    study = Study.create(recipe())
    with study.only_driver():
        holder = Study.open(study.name)
        with pytest.raises(UserError, match="another process is running this study"), holder.only_driver():
            pass
    study.facts["libraries"]["keras-tuner"] = "1.0.0"
    with pytest.raises(UserError, match=r"Changed: keras-tuner 1\.0\.0 →"), study.only_driver():
        pass


def test_a_torn_event_is_cut_off():
    study, _ = torn()
    continued = Study.open(study.name)
    assert len(continued.events) == 4
    search(continued, Instant()).run()
    assert len(continued.trials()) == 3


def test_the_memory_of_the_driver_is_flat():
    used: list[int] = []

    class Watched(Instant):
        def start(self, target, log):
            used.append(psutil.Process().memory_info().rss)
            return super().start(target, log)

    study = Study.create(recipe(trials=30, finalists=0))
    search(study, Watched()).run()
    assert len(used) == 30
    assert used[-1] - used[9] < 4 * 2**20


def test_studies_are_numbered_and_found_by_name():
    assert [Study.create(recipe()).name for _ in range(2)] == ["instant-1", "instant-2"]
    with pytest.raises(UserError, match="Did you mean `instant-2`"):
        Study.open("instnt-2")
    assert Path("mlruns/studies/instant-2/recipe.yaml").exists()
