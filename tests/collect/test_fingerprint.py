import os
import time
from pathlib import Path

import pytest

from pipeline.collect import source_fingerprint
from pipeline.errors import UserError
from tests.collect.conftest import data_section


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "t.csv").write_text("x,y\n1,a\n")
    return tmp_path / "t.csv"


def fingerprint(path: Path, cache: Path | None = None) -> str:
    return source_fingerprint(data_section(type="csv", path=str(path), label="y"), stat_cache=cache)


def test_bytes_count_and_times_do_not(table: Path) -> None:
    before = fingerprint(table)
    os.utime(table, (1, 1))
    assert fingerprint(table) == before
    table.write_text("x,y\n1,b\n")
    assert fingerprint(table) != before


def test_remembered_hash_is_used_until_the_file_changes(table: Path, tmp_path: Path) -> None:
    cache = tmp_path / "stages" / "sources.json"
    before = fingerprint(table, cache)
    stat = table.stat()
    table.write_text("x,y\n1,b\n")
    os.utime(table, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert fingerprint(table, cache) == before, "same path, size and time: not read again"
    os.utime(table, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert fingerprint(table, cache) != before


def test_every_file_of_a_folder_counts(tmp_path: Path) -> None:
    root = tmp_path / "imgs"
    (root / "cat").mkdir(parents=True)
    (root / "cat" / "1.png").write_bytes(b"1")
    section = data_section(type="folder", path=str(root))
    seen = {source_fingerprint(section)}
    (root / "cat" / "2.png").write_bytes(b"2")
    seen.add(source_fingerprint(section))
    (root / "cat" / "2.png").rename(root / "cat" / "3.png")
    seen.add(source_fingerprint(section))
    assert len(seen) == 3


def test_built_in_data_sets_have_one_at_once() -> None:
    started = time.perf_counter()
    first = {source_fingerprint(data_section(type=name)) for name in ("digits", "breast_cancer")}
    assert len(first) == 2
    assert time.perf_counter() - started < 0.5
    packages = source_fingerprint(data_section(type="docstrings", packages=("yaml",)))
    assert packages != source_fingerprint(data_section(type="docstrings", packages=("click",)))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"type": "csv", "path": "/nowhere/t.csv", "label": "y"}, r"there is no file /nowhere/t\.csv \(.* after /\)"),
        ({"type": "folder", "path": "/nowhere"}, r"data\.path: there is no folder /nowhere"),
        ({"type": "tfds", "name": "mnist", "data_dir": "/nowhere"}, r"data\.name: mnist is not prepared in /nowhere"),
        ({"type": "docstrings", "packages": ("nope",)}, r"data\.packages: .* Received: nope"),
    ],
)  # fmt: skip
def test_source_that_is_not_there_is_refused_at_once(keys: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        source_fingerprint(data_section(**keys))
