import re

import pytest

from pipeline.collect.sentences import MASK, package_sentences, to_sentences
from pipeline.errors import UserError
from pipeline.recipe.data import DocstringsConfig
from tests.collect.conftest import Collected, run


@pytest.fixture(scope="module")
def docstrings(tmp_path_factory: pytest.TempPathFactory) -> Collected:
    return run(tmp_path_factory.mktemp("docstrings") / "out", type="docstrings")


@pytest.mark.slow
def test_default_packages_give_enough_sentences(docstrings: Collected) -> None:
    assert docstrings.manifest.classes == DocstringsConfig(type="docstrings").packages
    assert sum(docstrings.manifest.counts.values()) >= 10_000
    assert all(row["train"] + row["validation"] + row["test"] > 1000 for row in docstrings.report["balance"])


def test_no_sentence_names_a_package_or_occurs_twice(docstrings: Collected) -> None:
    texts = [text for table in (docstrings.development, docstrings.test) for text in table.column("text").to_pylist()]
    named = re.compile(r"\b(numpy|scipy|pandas|sklearn|scikit-learn|matplotlib|keras|mlflow)\b", re.IGNORECASE)
    assert not [text for text in texts if named.search(text.replace("_", " "))]
    assert any(MASK in text for text in texts)
    assert len({text.casefold() for text in texts}) == len(texts)
    assert any(MASK in line for line in docstrings.lines)


def test_same_packages_give_the_same_sentences() -> None:
    first, again = (package_sentences(("yaml", "click"), 50) for _ in range(2))
    assert first == again
    assert [len(sentences) for sentences in first.values()] > [20, 20]


def test_markup_and_code_are_dropped() -> None:
    docstring = """Compute the weighted :func:`~numpy.mean` of an ``array`` along one axis.

    Parameters
    ----------
    axis : int
        The axis along which the mean is taken. See https://example.org for more.

    >>> This is not a sentence at all.

    .. note:: Neither is this line.
    """
    assert to_sentences(docstring) == [
        "Compute the weighted numpy.mean of an array along one axis.",
        "The axis along which the mean is taken.",
    ]


def test_package_that_is_not_installed_is_refused() -> None:
    with pytest.raises(UserError, match=r"data\.packages: expected the import name .* Received: nothing_like_it"):
        package_sentences(("nothing_like_it",), 10)
