"""Fixtures of several test modules. Keras is imported by the first test that needs it, not by all."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

LONGEST = [
    Path(__file__).parent / file
    for file in (
        *("test_transfer.py", "test_end_to_end.py", "training/test_state.py", "diagnosis/test_zoo.py"),
        *("chaos/test_resume.py", "tuning/test_tune.py"),
    )
]
"""Files that take longest, in this order: begun last, one worker would be left alone with them."""

if TYPE_CHECKING:
    from tests.small_runs import Registered, Stages


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lets the longest files begin first; the others stay as they are."""
    assert all(file.exists() for file in LONGEST)
    items.sort(key=lambda item: LONGEST.index(item.path) if item.path in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def place_store(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], str]:
    """Places an empty MLflow store in a folder, as `mlflow.db`; returns its URI.

    It is made once for all workers and copied: MLflow takes seconds to make its tables.
    """
    base = tmp_path_factory.getbasetemp()
    made = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "empty" / "mlflow.db"
    made.parent.mkdir(exist_ok=True)
    with FileLock(made.with_name("made.lock")):
        if not made.exists():
            from pipeline.tracking import open_store

            open_store("sqlite:///part.db", made.parent)
            (made.parent / "part.db").rename(made)

    def placed(folder: Path) -> str:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made, folder / "mlflow.db")
        return f"sqlite:///{folder / 'mlflow.db'}"

    return placed


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place_store: Callable[[Path], str]) -> Path:
    """A working directory of its own, with an empty store where a recipe has it by default."""
    place_store(tmp_path / "mlruns")
    monkeypatch.chdir(tmp_path)
    return tmp_path


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
def registered(
    tmp_path_factory: pytest.TempPathFactory, place_store: Callable[[Path], str], digits: "Stages", cells: "Stages"
) -> "Registered":
    from tests.small_runs import register_all

    folder = tmp_path_factory.mktemp("registered")
    place_store(folder)
    return register_all(folder, digits=digits, cells=cells)
