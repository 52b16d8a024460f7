"""The fingerprint of a source: a hash of its bytes, known without reading an example."""

import hashlib
import json
import os
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from pipeline.collect.sentences import package_files, package_folder
from pipeline.collect.tfds_folder import find_prepared
from pipeline.errors import UserError
from pipeline.recipe import data


def source_fingerprint(section: data.DataConfig, stat_cache: Path | None = None) -> str:
    """Hashes the bytes that examples would be read from, and nothing else: names of files count, times do not.

    Args:
        section: The recipe's `data`; paths are absolute.
        stat_cache: JSON file that remembers the hash of a file by its path, size and time of change, so that
            unchanged files are not read again; None reads every file.

    Returns:
        32 hex digits. Data sets bundled with scikit-learn are named by its version.

    Raises:
        UserError: If the source is not there.
    """
    hashes = _FileHashes(stat_cache)
    match section:
        case data.DigitsConfig() | data.BreastCancerConfig():
            content = [f"{section.type} scikit-learn {version('scikit-learn')}"]
        case data.DocstringsConfig():
            content = [
                line
                for package in section.packages
                for line in hashes.of_files(package_folder(package), package_files(package_folder(package)))
            ]
        case data.TfdsConfig():
            content = _tfds_content(section, hashes)
        case data.FolderConfig() | data.IdxConfig():
            folder = existing(section.path, "folder")
            content = hashes.of_files(folder, (file for file in sorted(folder.rglob("*")) if file.is_file()))
        case data.CsvConfig() | data.ParquetConfig() | data.TextFileConfig() | data.NpzConfig():
            content = [hashes.of_file(existing(section.path, "file"))]
    hashes.save()
    return hashlib.blake2b("\n".join(content).encode(), digest_size=16).hexdigest()


def existing(path: str, kind: str) -> Path:
    """Checks that `data.path` is a file or a folder.

    Args:
        path: The path, absolute.
        kind: "file" or "folder".

    Raises:
        UserError: If it is not; names the nearest folder that is there.
    """
    found = Path(path).expanduser()
    if found.is_file() if kind == "file" else found.is_dir():
        return found
    if found.exists():
        raise UserError(
            f"data.path: expected a {kind}. Received: {found}, which is a {'folder' if kind == 'file' else 'file'}."
        )
    parent = next(folder for folder in found.parents if folder.is_dir())
    raise UserError(
        f"data.path: there is no {kind} {found} (the path goes wrong after {parent}). "
        "Relative paths in a recipe start at the recipe's folder, on the command line at the working directory."
    )


def _tfds_content(section: data.TfdsConfig, hashes: "_FileHashes") -> list[str]:
    try:
        folder = find_prepared(section.name, Path(section.data_dir).expanduser())
    except UserError:
        if section.download:
            return [f"to be downloaded: {section.name}"]
        raise
    return hashes.of_files(folder, (file for file in sorted(folder.rglob("*")) if file.is_file()))


class _FileHashes:
    """Hashes of files, remembered by (path, size, time of change)."""

    def __init__(self, cache: Path | None) -> None:
        self._cache = cache
        known = cache is not None and cache.exists()
        self._known: dict[str, list[str | int]] = (
            json.loads(cache.read_text(encoding="utf-8")) if cache and known else {}
        )
        self._changed = False

    def of_files(self, root: Path, files: Iterable[Path]) -> list[str]:
        """A line a file: its path below `root` and its hash."""
        return [f"{file.relative_to(root).as_posix()} {self.of_file(file)}" for file in files]

    def of_file(self, file: Path) -> str:
        stat, key = file.stat(), str(file.resolve())
        entry = self._known.get(key)
        if entry is None or entry[:2] != [stat.st_size, stat.st_mtime_ns]:
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
            entry = self._known[key] = [stat.st_size, stat.st_mtime_ns, digest]
            self._changed = True
        return str(entry[2])

    def save(self) -> None:
        """Writes what is remembered, whole or not at all."""
        if self._cache is not None and self._changed:
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            written = self._cache.with_name(f"{self._cache.name}.{os.getpid()}")
            written.write_text(json.dumps(self._known), encoding="utf-8")
            written.replace(self._cache)
