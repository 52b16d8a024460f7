"""The record of who looked at a sealed test set: each look makes the best score seen a little too good."""

import contextlib
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock
from scipy import stats

MANY = 10
"""Different models measured on one test set from which on a run says what that does."""


@dataclass(frozen=True)
class Look:
    """One evaluation on a test set."""

    time: str
    """ISO 8601, UTC."""
    run: str
    """Id of the run."""
    recipe: str
    """Name of the recipe."""
    answers: str
    """Hash of what the model answered: the same model again learns nothing new from the test set."""


@dataclass(frozen=True)
class Looks:
    """The looks of one run at test sets, written beside those of all others.

    Args:
        folder: Holds a file for each test set, named by its fingerprint.
        run: Id of the run that looks.
        recipe: Name of its recipe.
    """

    folder: Path
    run: str
    recipe: str

    def record(self, fingerprint: str, answers: str) -> list[Look]:
        """Appends a look.

        Args:
            fingerprint: Names the test examples.
            answers: Hash of what the model answered.

        Returns:
            All looks at this test set so far, this one last.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{fingerprint}.jsonl"
        look = Look(datetime.now(UTC).isoformat(timespec="seconds"), self.run, self.recipe, answers)
        with FileLock(path.with_suffix(".lock")):
            before = path.read_text(encoding="utf-8") if path.exists() else ""
            ending = "" if before.endswith("\n") or not before else "\n"
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{ending}{json.dumps(asdict(look), ensure_ascii=False)}\n")
        return [*_whole(before), look]


def _whole(text: str) -> Iterator[Look]:
    """The looks in a file; a line that a full disk or a crash left half written is none."""
    for line in text.split("\n"):  # not `splitlines`: JSON may hold other line breaks
        with contextlib.suppress(json.JSONDecodeError, TypeError):
            yield Look(**json.loads(line))


def num_models(looks: list[Look]) -> int:
    """How many different models were measured."""
    return len({look.answers for look in looks})


def optimism(num_models: int, standard_error: float) -> float:
    """How much better than it is the best of many equal models is expected to look.

    The expected largest of so many normal draws (Blom 1958); models that err alike gain less.

    Args:
        num_models: Measured on one test set, one kept for its score.
        standard_error: Of one score.
    """
    return float(stats.norm.ppf((num_models - 0.375) / (num_models + 0.25))) * standard_error


def warning(looks: list[Look], metric: str, standard_error: float) -> str:
    """Says what many looks do to the best score; empty where they are few."""
    count = num_models(looks)
    if count < MANY or math.isnan(standard_error):
        return ""
    recipes = len({look.recipe for look in looks})
    return (
        f"these test examples have measured {count} models of {recipes} recipes since {looks[0].time[:10]}: of so many "
        f"equal ones, the best would look better by up to {optimism(count, standard_error):.4f} {metric} by chance. "
        "Choose by validation, or test the last choice on examples that nobody has looked at"
    )
