"""Facts of code and machine."""

import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from pipeline.environment import environment


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "notes.txt").write_text("one\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "notes.txt")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "First")
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(("git", *arguments), cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_commit_is_the_repositorys_and_clean(repository: Path) -> None:
    facts = environment(repository)
    assert facts["git.commit"] == git(repository, "rev-parse", "HEAD")
    assert facts["git.dirty"] == "no"


def test_changed_tracked_file_makes_it_dirty(repository: Path) -> None:
    (repository / "notes.txt").write_text("two\n")
    assert environment(repository)["git.dirty"] == "yes"


def test_tag_does_not_hide_the_commit(repository: Path) -> None:
    git(repository, "tag", "v1-rc")
    assert environment(repository)["git.commit"] == git(repository, "rev-parse", "HEAD")


def test_folder_outside_of_a_repository_has_the_commit_of_the_code(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.setattr("pipeline.environment.CHECKOUT", repository)
    assert environment(elsewhere)["git.commit"] == git(repository, "rev-parse", "HEAD")
    monkeypatch.setattr("pipeline.environment.CHECKOUT", elsewhere)
    assert "git.commit" not in environment(elsewhere)


def test_libraries_and_hardware_are_told(tmp_path: Path) -> None:
    facts = environment(tmp_path)
    assert facts["library.keras"] == version("keras")
    assert int(facts["hardware.cores"]) >= 1
    assert float(facts["hardware.memory_gib"]) > 0.1
    assert all(isinstance(value, str) and value for value in facts.values())
