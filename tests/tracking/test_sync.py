"""`plumbline sync`: what it sends, says and refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.cli import main
from pipeline.tracking import RunFolder, open_store
from tests.test_tracking import NOBODY
from tests.tracking.ledger import assert_all_there_once
from tests.tracking.writing import open_at, write_run


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run whose server was away."""
    base = tmp_path_factory.mktemp("here")
    return write_run(open_at(base, NOBODY), base / "out")


def plumbline_sync(recorded: RunFolder, *arguments: str) -> Result:
    directory = recorded.path.parent.parent
    return CliRunner().invoke(main, ["sync", *arguments, "--directory", str(directory)])


def test_a_server_that_is_still_away_is_an_error_that_names_the_run(recorded: RunFolder) -> None:
    result = plumbline_sync(recorded)
    assert result.exit_code == 2
    assert f"{recorded.path.name[:8]}  digits: tracking.uri: expected a store that answers at {NOBODY}" in result.stderr


def test_an_unknown_run_is_refused(recorded: RunFolder) -> None:
    result = plumbline_sync(recorded, "digit")
    assert result.exit_code == 2
    assert "Did you mean `digits`?" in result.stderr


def test_it_says_what_was_sent_and_then_that_nothing_is_left(
    recorded: RunFolder, place_store: Callable[[Path], str], tmp_path: Path
) -> None:
    uri = place_store(tmp_path)
    count = len(list(recorded.records()))
    first = plumbline_sync(recorded, "digits", "--uri", uri)
    assert (first.exit_code, first.output) == (0, f"{recorded.path.name[:8]}  digits  {count} records sent\n")
    assert "nothing to send" in plumbline_sync(recorded).output


@pytest.mark.parametrize("named", ["digits", "--all"])
def test_a_store_that_lost_a_run_is_told_all_of_it_again(
    recorded: RunFolder, place_store: Callable[[Path], str], tmp_path: Path, named: str
) -> None:
    had, lost = (open_store(place_store(tmp_path / name), tmp_path) for name in ("had", "lost"))
    count = len(list(recorded.records()))
    plumbline_sync(recorded, "digits", "--uri", had.uri)
    assert "digits  0 records sent" in plumbline_sync(recorded, named, "--uri", had.uri).output
    acknowledged = recorded.path / "sent.json"
    acknowledged.write_text(acknowledged.read_text().replace(had.uri, lost.uri))
    assert "nothing to send" in plumbline_sync(recorded, "--uri", lost.uri).output
    assert f"digits  {count} records sent" in plumbline_sync(recorded, named, "--uri", lost.uri).output
    copies = tmp_path / "copies"
    copies.mkdir()
    assert_all_there_once(recorded, lost, copies)
    assert "nothing to send" in plumbline_sync(recorded).output


def test_the_next_run_offers_what_is_left(tmp_path: Path) -> None:
    write_run(open_at(tmp_path, NOBODY), tmp_path / "out")
    said: list[str] = []
    open_at(tmp_path, say=said.append)
    assert said == ["1 earlier runs have records that their store lacks: `plumbline sync` sends them"]
