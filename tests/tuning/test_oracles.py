"""Oracles as ask and tell: the same sequence again, failures without harm, an end with a reason."""

import math
from itertools import pairwise

import pytest

from pipeline.recipe.load import load_recipe
from tuning.asha import AshaOracle, rung_epochs
from tuning.oracles import HyperbandOracle, KerasTunerOracle, open_oracle
from tuning.space import Space
from tuning.suggestions import Done, Suggestion, Wait

ALGORITHMS = ("random", "grid", "bayesian", "hyperband", "asha")
WIDE = "{model.dropout: {type: float, low: 0.0, high: 0.6}, data.batch_size: {type: int, low: 8, high: 64}}"
SMALL = "{model.dropout: {type: choice, values: [0.0, 0.1, 0.2]}, model.batch_norm: {type: boolean}}"


def oracle(algorithm, space=WIDE, trials=8, seed=0, max_epochs=9):
    declared = Space.of(load_recipe("digits", [f"tune={{algorithm: {algorithm}, space: {space}}}", "train.epochs=9"]))
    return open_oracle(
        algorithm,
        declared.hyperparameters(grid=algorithm == "grid"),
        direction="min",
        seed=seed,
        max_trials=trials,
        max_epochs=max_epochs,
        min_epochs=1,
        factor=3,
    )


def score(suggestion: Suggestion) -> float:
    """Deterministic, different for different points, better the longer a trial is trained."""
    return float(suggestion.trial % 5) / (1 + suggestion.rung)


def drive(asked, scored=score):
    """One worker, until the oracle is done."""
    suggestions = []
    while not isinstance(suggestion := asked.ask(), Done):
        assert isinstance(suggestion, Suggestion)
        suggestions.append(suggestion)
        asked.tell(suggestion.trial, scored(suggestion))
        assert len(suggestions) < 100
    return suggestions, suggestion.reason


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_same_seed_and_scores_give_the_same_suggestions(algorithm):
    first, second = drive(oracle(algorithm)), drive(oracle(algorithm))
    assert first == second
    other, _ = drive(oracle(algorithm, seed=1))
    assert (other != first[0]) == (algorithm != "grid")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kept", [1, 4])
def test_saying_asks_and_tells_again_continues_a_search(algorithm, kept):
    whole, _ = drive(oracle(algorithm))
    again = oracle(algorithm)
    for suggestion in whole[:kept]:
        assert again.ask() == suggestion
        again.tell(suggestion.trial, score(suggestion))
    assert drive(again)[0] == whole[kept:]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_failures_neither_stop_a_search_nor_score(algorithm):
    def failing(suggestion):
        return None if suggestion.trial % 2 else float(suggestion.trial)

    suggestions, _ = drive(oracle(algorithm), failing)
    assert {suggestion.trial for suggestion in suggestions} == set(range(8))
    assert not [s for s in suggestions if s.trial % 2 and s.rung], "a failed trial was promoted"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_search_of_failures_alone_ends(algorithm):
    suggestions, _ = drive(oracle(algorithm), lambda _: None)
    assert len({suggestion.trial for suggestion in suggestions}) == len(suggestions) == 8


@pytest.mark.parametrize("algorithm", ["random", "bayesian", "grid"])
def test_an_exhausted_space_ends_with_a_reason_and_every_point_once(algorithm):
    suggestions, reason = drive(oracle(algorithm, SMALL, trials=50))
    points = {str(sorted(suggestion.values.items())) for suggestion in suggestions}
    assert len(points) == len(suggestions) == 6
    assert reason.startswith("every point of the grid" if algorithm == "grid" else "1000 draws gave no new point")


@pytest.mark.parametrize("algorithm", ["hyperband", "asha"])
def test_rungs_over_an_exhausted_space_end_with_a_reason_and_every_point_once(algorithm):
    suggestions, reason = drive(oracle(algorithm, SMALL, trials=50))
    points = [str(sorted(suggestion.values.items())) for suggestion in suggestions if not suggestion.rung]
    assert len(set(points)) == len(points) <= 6
    assert "point" in reason


def test_a_search_says_that_all_its_trials_ran():
    assert drive(oracle("random", trials=3))[1] == "all 3 trials ran"


@pytest.mark.parametrize("algorithm", ["hyperband", "asha"])
def test_promoted_trials_go_on_under_their_number_and_are_the_best(algorithm):
    suggestions, _ = drive(oracle(algorithm, trials=None if algorithm == "hyperband" else 12), lambda s: s.trial)
    by_trial: dict[int, list[Suggestion]] = {}
    for suggestion in suggestions:
        by_trial.setdefault(suggestion.trial, []).append(suggestion)
    for own in by_trial.values():
        assert [s.values for s in own] == [own[0].values] * len(own)
        assert all(later.epochs > earlier.epochs for earlier, later in pairwise(own))
    assert max(s.epochs for s in suggestions) == 9
    assert max(s.epochs for s in by_trial[0]) == 9, "the best trial was not promoted to the last rung"


def test_hyperband_takes_the_brackets_that_fit():
    given = oracle("hyperband", trials=None).inner
    assert isinstance(given, HyperbandOracle)
    assert given.rungs() == [[(9, 1), (3, 3), (1, 9)], [(5, 3), (2, 9)], [(3, 9)]]
    asked = oracle("hyperband", trials=13)
    assert asked.inner.rungs() == [[(9, 1), (3, 3), (1, 9)], [(3, 9)]]
    suggestions, _ = drive(asked)
    assert len({s.trial for s in suggestions}) == 12
    assert len(suggestions) == 9 + 3 + 1 + 3


def test_several_workers_wait_only_where_a_result_is_needed():
    asked = oracle("hyperband", trials=9)
    running = [asked.ask() for _ in range(9)]
    assert isinstance(asked.ask(), Wait)
    for suggestion in running:
        asked.tell(suggestion.trial, float(suggestion.trial))
    assert asked.ask().rung == 1


def test_a_grid_keeps_all_its_places_busy_in_the_order_of_one():
    asked, running, order = oracle("grid", SMALL, trials=None), [], []
    busy = []
    while True:
        while len(running) < 4 and isinstance(suggestion := asked.ask(), Suggestion):
            running.append(suggestion)
            order.append(suggestion.values)
        if not running:
            break
        busy.append(len(running))
        asked.tell(running.pop(0).trial, 0.0)
    assert isinstance(suggestion, Done)
    assert busy == [4, 4, 4, 3, 2, 1]
    assert order == [each.values for each in drive(oracle("grid", SMALL, trials=None))[0]]


def test_asha_promotes_the_best_of_a_rung_as_soon_as_it_can():
    asked = oracle("asha", trials=9)
    scores = {0: 0.5, 1: 0.2, 2: 0.9}
    for trial in scores:
        assert asked.ask().trial == trial
    for trial, value in scores.items():
        asked.tell(trial, value)
    promoted = asked.ask()
    assert (promoted.trial, promoted.rung, promoted.epochs) == (1, 1, 3)
    assert asked.ask().trial == 3


@pytest.mark.parametrize(
    ("minimum", "maximum", "factor", "rungs"), [(1, 9, 3, [1, 3, 9]), (1, 20, 3, [1, 3, 9, 20]), (4, 4, 2, [4])]
)
def test_rungs_of_asha(minimum, maximum, factor, rungs):
    assert rung_epochs(minimum, maximum, factor) == rungs


def test_scores_that_are_infinite_do_not_poison_the_bayesian_oracle():
    asked = oracle("bayesian", trials=9)
    suggestions, _ = drive(asked, lambda s: None if s.trial in (2, 6) else float(s.trial % 3))
    assert len(suggestions) == 9
    assert all(math.isfinite(value) for s in suggestions for value in s.values.values())


def test_asha_leaves_a_failed_trial_in_its_rung():
    asked = oracle("asha", trials=3)
    assert isinstance(asked, AshaOracle)
    for trial in range(3):
        asked.ask()
        asked.tell(trial, None if trial != 2 else 1.0)
    assert asked.ask().trial == 2


def test_keras_tuner_is_kept_from_the_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = oracle("grid", SMALL)
    assert isinstance(asked, KerasTunerOracle)
    drive(asked)
    assert not list(tmp_path.iterdir())
