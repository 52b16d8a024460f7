"""Fixtures of several test modules. Keras is imported by the first test that needs it, not by all."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.small_runs import Registered, Stages


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> "Stages":
    from tests.small_runs import run_digits

    return run_digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> "Stages":
    from tests.small_runs import run_cells

    return run_cells(tmp_path_factory.mktemp("cells"))


@pytest.fixture(scope="session")
def diabetes(tmp_path_factory: pytest.TempPathFactory) -> "Stages":
    from tests.small_runs import run_diabetes

    return run_diabetes(tmp_path_factory.mktemp("diabetes"))


@pytest.fixture(scope="session")
def topics(tmp_path_factory: pytest.TempPathFactory) -> "Stages":
    from tests.small_runs import run_topics

    return run_topics(tmp_path_factory.mktemp("topics"))


@pytest.fixture(scope="session")
def registered(tmp_path_factory: pytest.TempPathFactory, digits: "Stages", cells: "Stages") -> "Registered":
    from tests.small_runs import register_all

    return register_all(tmp_path_factory.mktemp("registered"), digits=digits, cells=cells)
