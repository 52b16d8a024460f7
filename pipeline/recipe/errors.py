"""What is wrong with a recipe: all problems of it in one error, each with its place."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.errors import UserError


@dataclass(frozen=True)
class Problem:
    """One mistake in a recipe."""

    key: str
    """Dotted key, such as `model.dropout`; empty for the recipe as a whole."""
    message: str
    """What was expected, what came, what to do."""


class RecipeError(UserError):
    """A recipe that cannot be run; the message has a line for each problem.

    Attributes:
        problems: The mistakes, in the order of the recipe.
    """

    def __init__(self, problems: Iterable[Problem], where: dict[str, str]):
        """Builds the message.

        Args:
            problems: The mistakes.
            where: Dotted key to its place (`digits.yaml:7`, `command line`); the nearest parent's is used for a key
                that is not there, and `""` is the recipe as a whole.
        """
        order = {key: position for position, key in enumerate(where)}
        self.problems = tuple(sorted(problems, key=lambda p: order[_given(p.key, where)]))
        super().__init__("\n".join(f"{where[_given(p.key, where)]}: {_joined(p)}" for p in self.problems))


def nearest(word: str, known: Iterable[str]) -> str:
    """Returns the end of a sentence: `. Did you mean `x`?` for the known name nearest to `word`, or nothing."""
    by_folded = {_folded(name): name for name in known}
    close = difflib.get_close_matches(_folded(word), by_folded, n=1, cutoff=0.6)
    return f". Did you mean `{by_folded[close[0]]}`?" if close else ""


def _folded(name: str) -> str:
    return name.lower().replace("_", "")


def _joined(problem: Problem) -> str:
    return f"{problem.key}: {problem.message}" if problem.key else problem.message


def _given(key: str, where: dict[str, str]) -> str:
    """The key, or the nearest parent of it that was written."""
    while key and key not in where:
        key = key.rpartition(".")[0]
    return key
