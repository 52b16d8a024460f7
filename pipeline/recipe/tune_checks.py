"""What a search's space may not be: keys that no recipe has, ranges without a value."""

from collections.abc import Iterator

from models.section import Section
from pipeline.recipe.errors import Problem, nearest
from pipeline.recipe.schema import fields_of, sections_of
from pipeline.recipe.train import monitors
from pipeline.recipe.tree import Recipe
from pipeline.recipe.tune import Boolean, Choice, Float, Int, Parameter, TuneConfig

NOT_SEARCHED = ("name", "tune", "tracking", "register", "evaluate")
"""Sections that say where results go, or how they are looked at, rather than what is trained."""

SEED = "a search cannot change `seed`: what it finds would be luck, and finalists are trained with seeds of their own"

OPEN = ("train.optimizer.", "model.arguments.", "augment.")
"""Beginnings of keys that the schema does not list: arguments of Keras's and of the user's, places in a list."""

RUNGS = ("hyperband", "asha")
"""Algorithms that decide themselves how many epochs a trial is trained."""


def check_tune(recipe: Recipe, task: str | None = None) -> Iterator[Problem]:
    """Finds what is wrong with the `tune` section.

    Args:
        recipe: The recipe.
        task: None while it is not known.
    """
    section = recipe.tune
    if section is None:
        return
    known = set(dotted_keys(Recipe))
    if not section.space and recipe.model.type != "custom":
        yield Problem("tune.space", "expected at least one key with its range. Received: none")
    for key, parameter in section.space.items():
        yield from _key(key, known, len(recipe.augment))
        yield from _range(key, parameter)
        for other in parameter.when:
            if not _is_key(other, known):
                yield Problem(
                    f"tune.space.{key}.when", f"expected dotted recipe keys. Received: {other!r}{nearest(other, known)}"
                )
        yield from _conditions(key, parameter, section)
    yield from _cycle(section)
    yield from _objective(recipe, section, task)
    yield from _rungs(recipe, section)


def dotted_keys(section: type[Section], prefix: str = "") -> Iterator[str]:
    """Yields every key that a recipe can have, in any variant."""
    for name, field in fields_of(section).items():
        yield prefix + name
        for inner in sections_of(field.annotation):
            yield from dotted_keys(inner, f"{prefix}{name}.")


def _is_key(key: str, known: set[str]) -> bool:
    return key in known or key.startswith(OPEN)


def _key(key: str, known: set[str], num_transforms: int) -> Iterator[Problem]:
    where, (section, _, inner) = f"tune.space.{key}", key.partition(".")
    if section in NOT_SEARCHED:
        yield Problem(where, f"a search cannot change `{section}`")
    elif key == "seed":
        yield Problem(where, SEED)
    elif inner and section == "augment" and inner.partition(".")[0] not in map(str, range(num_transforms)):
        yield Problem(
            where,
            "expected the place of a transform in `augment`, from 0, then its key, such as augment.0.degrees. "
            f"`augment` has {num_transforms} transforms",
        )
    elif not _is_key(key, known):
        yield Problem(where, f"expected a dotted recipe key{nearest(key, known)}")


def _range(key: str, parameter: Parameter) -> Iterator[Problem]:
    where = f"tune.space.{key}"
    if isinstance(parameter, Choice):
        repeated = [value for i, value in enumerate(parameter.values) if value in parameter.values[:i]]
        for value in repeated[:1]:
            yield Problem(where, f"expected different values. Received twice: {value!r}")
    if not isinstance(parameter, Int | Float):
        return
    if parameter.low >= parameter.high:
        yield Problem(where, f"expected low below high. Received: {parameter.low} and {parameter.high}")
    elif parameter.log and parameter.low <= 0:
        yield Problem(where, f"expected low above 0 with log. Received: {parameter.low}")
    if parameter.log and isinstance(parameter, Float) and parameter.step is not None and parameter.step <= 1:
        yield Problem(where, f"expected a step above 1 with log, as it is a factor. Received: {parameter.step}")


def _conditions(key: str, parameter: Parameter, section: TuneConfig) -> Iterator[Problem]:
    """A value that the other key never has would leave this one out without a word."""
    for other, wanted in parameter.when.items():
        searched = section.space.get(other)
        values = searched.values if isinstance(searched, Choice) else (True, False)
        if isinstance(searched, Choice | Boolean):
            for value in wanted if isinstance(wanted, list) else [wanted]:
                if not any(value == each and type(value) is type(each) for each in values):
                    yield Problem(
                        f"tune.space.{key}.when",
                        f"expected values that {other} has: {', '.join(map(repr, values))}. Received: {value!r}",
                    )


def _cycle(section: TuneConfig) -> Iterator[Problem]:
    """Keys that wait for each other would never be searched."""
    waiting = {key: set(parameter.when) & set(section.space) for key, parameter in section.space.items()}
    while free := [key for key, others in waiting.items() if not others & set(waiting)]:
        for key in free:
            del waiting[key]
    for key in list(waiting)[:1]:
        yield Problem(f"tune.space.{key}.when", f"expected no circle. Received: {', '.join(waiting)}")


def _objective(recipe: Recipe, section: TuneConfig, task: str | None) -> Iterator[Problem]:
    if task is None:
        return
    computed = monitors(recipe.train, task)
    if section.objective not in computed:
        yield Problem(
            "tune.objective",
            f"expected one of {', '.join(computed)} for a {task} task. Received: {section.objective!r}"
            f"{nearest(section.objective, computed)}",
        )


def _rungs(recipe: Recipe, section: TuneConfig) -> Iterator[Problem]:
    if section.algorithm not in RUNGS:
        return
    if "train.epochs" in section.space:
        yield Problem(
            "tune.space.train.epochs", f"`{section.algorithm}` decides how long trials are trained; leave it out"
        )
    for key in ("train.fine_tuning", "train.budget", "train.stop_after_epochs"):
        searched = [other for other in section.space if f"{other}.".startswith(f"{key}.")]
        if searched or getattr(recipe.train, key.partition(".")[2]) is not None:
            yield Problem(
                f"tune.space.{searched[0]}" if searched else key,
                f"`{section.algorithm}` decides how long trials are trained; leave it out, or use random, grid or "
                "bayesian; tune=null runs the recipe without its search",
            )
    sizes = section.space.get("train.batch_size")
    is_searched = isinstance(sizes, Choice) and "auto" in sizes.values
    if is_searched or (sizes is None and recipe.train.batch_size == "auto"):
        yield Problem(
            "tune.space.train.batch_size" if is_searched else "train.batch_size",
            f"expected a number or null: `auto` is measured anew in each rung of `{section.algorithm}`, and another "
            "size cannot go on from the state of the one before",
        )
    for key in {"train.checkpoint", "train.checkpoint.keep"} & set(section.space):
        yield Problem(
            f"tune.space.{key}", f"`{section.algorithm}` keeps the state that a trial goes on from; leave it out"
        )
    if section.algorithm == "asha" and section.min_epochs > recipe.train.epochs:
        yield Problem(
            "tune.min_epochs", f"expected at most train.epochs, {recipe.train.epochs}. Received: {section.min_epochs}"
        )
