"""What a process may take of the memory: the machine's, or the container's where that is less."""

from pathlib import Path

import psutil
import pytest

from pipeline.compute import memory

GIB = 2**30
V1 = "memory/memory"


def write(folder: Path, **files: str) -> None:
    (folder / "memory").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("limit", "usage", "statistics", "prefix"),
    [
        ("memory.max", "memory.current", "memory.stat", ""),
        (f"{V1}.limit_in_bytes", f"{V1}.usage_in_bytes", "memory/memory.stat", "total_"),
    ],
)
def test_a_container_with_less_memory_counts_and_cached_files_are_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, usage: str, statistics: str, prefix: str
) -> None:
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    cached = f"anon 5\n{prefix}active_file {GIB // 8}\n{prefix}inactive_file {GIB // 8}\n"
    write(tmp_path, **{limit: f"{GIB // 2}\n", usage: f"{GIB // 2 - 1024}\n", statistics: cached})
    assert memory.total_bytes() == GIB // 2
    assert memory.used_share() == pytest.approx(max(0.5, psutil.virtual_memory().percent / 100), abs=0.05)
    assert memory.available_bytes() == int(memory.FREE_SHARE * (GIB // 4 + 1024))
    write(tmp_path, **{usage: str(3 * GIB // 4)})
    assert memory.used_share() > 0.97


def test_without_a_limit_it_is_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    write(tmp_path, **{"memory.max": "max\n"})
    assert memory.total_bytes() == psutil.virtual_memory().total
    assert memory.used_share() == pytest.approx(psutil.virtual_memory().percent / 100, abs=0.05)
