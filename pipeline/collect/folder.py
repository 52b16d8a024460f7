"""Images in one folder a class as a source."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from pipeline.collect.source import IMAGES_PER_BATCH, KEY, ORIGIN, Rejects, Source, split_named
from pipeline.errors import UserError
from pipeline.manifest import LABEL
from pipeline.recipe.data import FolderConfig

SUFFIXES = (".png", ".jpg", ".jpeg")


class _File(NamedTuple):
    path: Path
    label: str
    split: str


def read_folder(section: FolderConfig, rejects: Rejects) -> Source:
    """Reads `path/CLASS/IMAGE`, or `path/SPLIT/CLASS/IMAGE` with `split.by: source`; images may lie deeper.

    Hidden files are passed over; any other file that is no image is rejected.

    Raises:
        UserError: If there are no class folders, or a class has no image.
    """
    root = Path(section.path)
    if section.split.by == "source":
        files = [file for split in _split_folders(root) for file in _class_files(split, rejects, root)]
    else:
        files = _class_files(root, rejects, root)
    classes = tuple(sorted({file.label for file in files}))
    return Source(
        kind="image",
        description=f"images in {root.name}/",
        label=("label",),
        batches=_batches(root, files, classes, by_source=section.split.by == "source"),
        total=len(files),
        classes=classes,
    )


def _folders(root: Path) -> list[Path]:
    return sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _split_folders(root: Path) -> list[Path]:
    folders = _folders(root)
    strange = [folder.name for folder in folders if split_named(folder.name) is None]
    if strange or not folders:
        raise UserError(
            f"data.path: with `split.by: source`, {root} must hold the folders train, validation and test. "
            f"Received: {', '.join(strange) or 'no folders'}."
        )
    return folders


def _class_files(folder: Path, rejects: Rejects, root: Path) -> list[_File]:
    classes = _folders(folder)
    if not classes:
        loose = sum(1 for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
        raise UserError(
            f"data.path: expected a folder for each class in {folder}, such as {folder.name}/cat/1.png. "
            f"Received: no folders and {loose:,} images. Move the images into folders named for their class."
        )
    if folder == root and all(split_named(name.name) for name in classes):
        raise UserError(
            f"data.path: {folder} holds splits ({', '.join(name.name for name in classes)}), not classes. "
            "Set `data.split.by: source`."
        )
    for stray in sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")):
        rejects.add(stray.relative_to(root).as_posix(), "lies beside the class folders")
    return [file for name in classes for file in _images(name, folder, rejects, root)]


def _images(folder: Path, split: Path, rejects: Rejects, root: Path) -> list[_File]:
    images = []
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or file.name.startswith("."):
            continue
        if file.suffix.lower() in SUFFIXES:
            images.append(_File(file, folder.name, split.name))
        else:
            rejects.add(file.relative_to(root).as_posix(), "expected a .png, .jpg or .jpeg file")
    if not images:
        raise UserError(f"data.path: expected images in {folder}. Received: none. Add some, or remove the folder.")
    return images


def _batches(root: Path, files: list[_File], classes: tuple[str, ...], *, by_source: bool) -> Iterator[pa.RecordBatch]:
    index = {name: place for place, name in enumerate(classes)}
    remaining = iter(files)
    while chunk := list(itertools.islice(remaining, IMAGES_PER_BATCH)):
        arrays = {
            "image": pa.array([file.path.read_bytes() for file in chunk], pa.binary()),
            LABEL: pa.array([index[file.label] for file in chunk]),
            ORIGIN: pa.array([file.path.relative_to(root).as_posix() for file in chunk]),
        }
        if by_source:
            arrays[KEY] = pa.array([file.split for file in chunk])
        yield pa.RecordBatch.from_pydict(arrays)
