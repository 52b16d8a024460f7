"""Where a TFDS data set is prepared on disk; found without importing TensorFlow."""

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError

_NAME = re.compile(r"(?P<name>\w+)(?:/(?P<config>[\w.+-]+))?(?::(?P<version>\d+\.\d+\.\d+))?")
_VERSION = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True)
class DatasetName:
    """`NAME[/CONFIG][:VERSION]` in its parts."""

    name: str
    config: str | None
    version: str | None

    @property
    def full(self) -> str:
        """As TFDS writes it."""
        return self.name + (f"/{self.config}" if self.config else "") + (f":{self.version}" if self.version else "")


def parse_name(text: str) -> DatasetName:
    """Parses `NAME[/CONFIG][:VERSION]`, with or without `tfds:` before it.

    Raises:
        UserError: If it has another form.
    """
    match = _NAME.fullmatch(text.removeprefix("tfds:"))
    if match is None:
        raise UserError(f"data.name: expected NAME[/CONFIG][:VERSION], such as glue/sst2:2.0.0. Received: {text}")
    return DatasetName(**match.groupdict())


def find_prepared(text: str, data_dir: Path) -> Path:
    """Finds the folder of a prepared data set: the version asked for, else the newest.

    Raises:
        UserError: If there is none, or several configs to choose from.
    """
    asked = parse_name(text)
    root = data_dir / asked.name
    folders = [
        file.parent for file in sorted(root.glob("**/dataset_info.json")) if _VERSION.fullmatch(file.parent.name)
    ]
    configs = sorted({folder.parent.relative_to(root).as_posix() for folder in folders})
    if asked.config is None and len(configs) > 1:
        raise UserError(
            f"data.name: {asked.name} is prepared in several configs ({', '.join(configs)}): name one, such as "
            f"{asked.name}/{configs[0]}"
        )
    found = [
        folder
        for folder in folders
        if asked.config in (None, folder.parent.relative_to(root).as_posix()) and asked.version in (None, folder.name)
    ]
    if not found:
        raise UserError(
            f"data.name: {asked.full} is not prepared in {data_dir}. Prepare it with `tfds build {asked.full} "
            f"--data_dir {data_dir}`, or set `data.download: true`."
        )
    return max(found, key=lambda folder: tuple(int(part) for part in folder.name.split(".")))
