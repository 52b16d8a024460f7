"""Whether the statistics of `pipeline/comparison` keep their promises: `python -m benchmarks.comparison`; NumPy only.

Simulates test sets whose truth is known, and writes the section *Measured* of docs/comparison.md. `--quick` simulates a
tenth and writes nothing.
"""

import argparse
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from pipeline.comparison.forecast import examples_needed, examples_needed_by_mcnemar, seeds_needed
from pipeline.comparison.intervals import estimates
from pipeline.comparison.paired import Effect, effect, effects, over_seeds
from pipeline.comparison.proportions import Discordance
from pipeline.comparison.weighted import per_example
from pipeline.metrics import Predicted, compute

PAGE = Path(__file__).parent.parent / "docs" / "comparison.md"
MEASURED = re.compile(r"(?<=<!-- measured by benchmarks/comparison.py -->\n).*(?=<!-- end -->)", re.DOTALL)

NUM_SETS = 2000
NUM_RESAMPLES = 400
"""Fewer than in use, to save time."""

NUM_CLASSES = 3
NUM_EXAMPLES = 300
POPULATION = 200_000
"""Examples that stand for all that could be tested on."""

METRICS = ("accuracy", "f1_macro", "roc_auc", "log_loss", "brier")
GRID = (0.8, 1.0, 1.2)
"""Multiples of a forecast at which the power is measured."""


def models(num_examples: int, *skills: float, seed: int) -> list[Predicted]:
    """Draws a test set, the classes in equal parts, and what models of given skills answer.

    Answers have a part in common: what is hard for one model is hard for the others.

    Args:
        num_examples: A multiple of the number of classes.
        skills: Of each model: how far the score of the right class stands out.
        seed: Of everything.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    labels = np.repeat(np.arange(NUM_CLASSES), num_examples // NUM_CLASSES)
    right = labels[:, None] == np.arange(NUM_CLASSES)
    shared = generator.normal(size=right.shape)
    answers = []
    for skill in skills:
        scores = np.exp(1.5 * (skill * right + 0.8 * shared + 0.6 * generator.normal(size=right.shape)))
        answers.append(Predicted("multiclass", labels, scores / scores.sum(axis=1, keepdims=True)))
    return answers


def truth(metric: str, *skills: float) -> list[float]:
    """The metric of models on the whole population."""
    return [compute([metric], of)[metric] for of in models(POPULATION, *skills, seed=10**9)]


def coverage_of_one(num_examples: int, num_sets: int, skill: float) -> dict[str, float]:
    """Share of test sets whose interval of a model's metric holds the truth."""
    names = (*METRICS, "calibration_error")
    expected = {name: truth(name, skill)[0] for name in names}
    held = dict.fromkeys(names, 0)
    for seed in range(num_sets):
        (of,) = models(num_examples, skill, seed=seed)
        for name, found in estimates(names, of, seed=seed, num_resamples=NUM_RESAMPLES).items():
            held[name] += found.low <= expected[name] <= found.high
    return {name: count / num_sets for name, count in held.items()}


def coverage_of_pairs(num_examples: int, num_pairs: int, first: float, second: float) -> dict[str, tuple[float, float]]:
    """Share of pairs told apart, and share whose interval of the difference holds the truth, by metric."""
    found: dict[str, tuple[float, float]] = {}
    for metric in METRICS:
        a, b = truth(metric, first, second) if first != second else (0.0, 0.0)
        difference = a - b if metric in ("log_loss", "brier") else b - a
        each = [
            effects(metric, dict(zip("ab", pair, strict=True)), seed=seed, num_resamples=NUM_RESAMPLES)[0]
            for seed, pair in _pairs(num_examples, num_pairs, first, second)
        ]
        told = np.mean([of.distinguishable for of in each])
        found[metric] = float(told), float(np.mean([of.low <= difference <= of.high for of in each]))
    return found


def _pairs(num_examples: int, num_pairs: int, *skills: float) -> Iterator[tuple[int, list[Predicted]]]:
    for seed in range(num_pairs):
        yield seed, models(num_examples, *skills, seed=10**6 + seed)


def false_winners(num_examples: int, num_sets: int, num_models: int) -> dict[str, float]:
    """Share of test sets on which any of several equal models is told apart from another."""
    shares = {}
    for metric in ("accuracy", "log_loss"):
        beaten = [
            any(
                each.distinguishable
                for each in effects(metric, {str(i): of for i, of in enumerate(drawn)}, seed=seed, num_resamples=300)
            )
            for seed, drawn in _pairs(num_examples, num_sets, *[2.5] * num_models)
        ]
        shares[metric] = float(np.mean(beaten))
    return shares


def forecasts(num_sets: int) -> Iterator[tuple[str, float, float]]:
    """Yields what is forecast, the forecast, and the number that has the power in truth."""
    for skills in ((2.5, 2.7), (3.5, 3.7)):
        a, b = models(POPULATION, *skills, seed=10**9)
        rights = [of.predictions == of.labels for of in (a, b)]
        forecast = examples_needed_by_mcnemar(Discordance.of(*rights))
        yield _named("accuracy", skills), forecast, _true_number(_power("accuracy", num_sets, skills), forecast)
        losses = [per_example("log_loss", of) for of in (a, b)]
        forecast = examples_needed(_of_differences(losses[0] - losses[1]))
        yield _named("log_loss", skills), forecast, _true_number(_power("log_loss", num_sets, skills), forecast)
    for size in (0.7, 1.0):
        forecast = seeds_needed(size + np.array([-1, 1]) / np.sqrt(2))
        yield f"seeds, {size:g} standard deviations", forecast, _true_number(_power_of_seeds(size, num_sets), forecast)


def _named(metric: str, skills: tuple[float, ...]) -> str:
    return f"examples, {metric}, skills {skills[0]:g} and {skills[1]:g}"


def _of_differences(differences: np.ndarray) -> Effect:
    mean, half = differences.mean(), 1.96 * differences.std() / np.sqrt(len(differences))
    return Effect("log_loss", "a", "b", mean, mean - half, mean + half, 0.0, "", len(differences))


def _power(metric: str, num_sets: int, skills: tuple[float, ...]) -> Callable[[int], float]:
    def power(number: int) -> float:
        size = NUM_CLASSES * max(1, round(number / NUM_CLASSES))
        return float(
            np.mean([effect_quick(metric, *models(size, *skills, seed=10**7 + seed)) for seed in range(num_sets)])
        )

    return power


def effect_quick(metric: str, first: Predicted, second: Predicted) -> bool:
    """Whether two models are told apart; with few resamples where a metric needs them, as only the rate matters."""
    if metric == "accuracy":
        return effect(metric, first, second, seed=0).distinguishable
    return effects(metric, {"a": first, "b": second}, seed=0, num_resamples=200)[0].distinguishable


def _power_of_seeds(size: float, num_sets: int) -> Callable[[int], float]:
    generator = np.random.Generator(np.random.PCG64(0))

    def power(number: int) -> float:
        drawn = generator.normal(size, size=(num_sets, number))
        return float(np.mean([over_seeds("accuracy", np.zeros(number), row).p <= 0.05 for row in drawn]))

    return power


def _true_number(power: Callable[[int], float], forecast: float) -> float:
    """The number with a power of 80 %, from a line through the power at numbers around the forecast."""
    numbers = sorted({max(2, round(forecast * factor)) for factor in GRID})
    slope, offset = np.polyfit(numbers, [power(number) for number in numbers], 1)
    return float((0.8 - offset) / slope)


def measure(num_sets: int) -> Iterator[str]:
    """Simulates all; yields the tables so far, in Markdown, as each is done."""
    tables = (_false_and_coverage, _coverage_table, _many, _forecast_table)
    parts = [
        f"By `python -m benchmarks.comparison`. A test set has {NUM_EXAMPLES} examples of {NUM_CLASSES} classes where "
        f"nothing else is said, and a row simulates {num_sets:,} of them.\n"
    ]
    for table in tables:
        parts.append(table(num_sets))
        yield "\n".join(parts)


def _false_and_coverage(num_pairs: int) -> str:
    rows = ["| two models | metric | told apart | interval of the difference holds the truth |"]
    rows += ["| --- | --- | --: | --: |"]
    for kind, skills in (("equal", (2.5, 2.5)), ("unequal", (2.5, 2.7))):
        for metric, (told, held) in coverage_of_pairs(NUM_EXAMPLES, num_pairs, *skills).items():
            rows.append(f"| {kind} | {metric} | {told:.1%} | {held:.1%} |")
            print(rows[-1], flush=True)
    return "\n".join(rows) + "\n"


def _coverage_table(num_sets: int) -> str:
    rows = ["| one model | interval holds the truth |", "| --- | --: |"]
    for metric, held in coverage_of_one(NUM_EXAMPLES, num_sets, 2.5).items():
        rows.append(f"| {metric} | {held:.1%} |")
        print(rows[-1], flush=True)
    return "\n".join(rows) + "\n"


def _many(num_sets: int) -> str:
    shares = false_winners(NUM_EXAMPLES, num_sets, 5)
    said = ", ".join(f"{share:.1%} by {metric}" for metric, share in shares.items())
    print(said, flush=True)
    return f"Five equal models, ten pairs, {num_sets:,} test sets: any pair is told apart in {said}.\n"


def _forecast_table(num_sets: int) -> str:
    rows = ["| forecast of | forecast | in truth | forecast / truth |", "| --- | --: | --: | --: |"]
    for what, forecast, number in forecasts(num_sets):
        rows.append(f"| {what} | {forecast:,.0f} | {number:,.0f} | {forecast / number:.2f} |")
        print(rows[-1], flush=True)
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the simulations; writes nothing")
    quick = parser.parse_args().quick
    for tables in measure(NUM_SETS // 10 if quick else NUM_SETS):
        if not quick:
            page = MEASURED.sub(lambda _, tables=tables: f"\n{tables}\n", PAGE.read_text(encoding="utf-8"))
            PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
