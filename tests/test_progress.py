import time

import pytest

from pipeline.progress import progress


def advance_twice() -> None:
    with progress("train", 4) as advance:
        time.sleep(0.2)  # Bars are drawn ten times a second at most.
        advance(2, loss=0.5)
        advance(2, loss=0.25)


def test_a_bar_is_silent_where_nobody_looks(capfd: pytest.CaptureFixture[str]) -> None:
    advance_twice()
    assert capfd.readouterr() == ("", "")


def test_a_bar_on_a_terminal_shows_rate_time_left_and_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    advance_twice()
    shown = capsys.readouterr().err
    assert "train:  50%" in shown
    assert "loss=0.5" in shown
    assert "examples/s" in shown
