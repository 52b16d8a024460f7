"""`plumbline sync`: sends what MLflow lacks of the runs recorded here."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from pipeline.errors import UserError
from pipeline.runs import find_run
from pipeline.tracking import RunFolder, Sender, read_folder, reap_folders, run_folders, unsent_folders


@dataclass(frozen=True)
class Synced:
    """What became of one run."""

    id: str
    name: str
    num_sent: int
    """Records that the store took now."""
    problem: str | None
    """Why the store does not have all of it; None: it has."""


def sync(directory: Path, run: str | None = None, *, every: bool = False, uri: str | None = None) -> Iterator[Synced]:
    """Sends what the store lacks of the runs recorded in a folder; what is there already stays as it is.

    A run that was sent whole is only asked for where it is named, or `every` is: a store that came back without it is
    told all of it again.

    Args:
        directory: The recipe's `tracking.directory`.
        run: The one run to send: its id, a unique beginning of it, or a name, of which the latest run is meant. By
            default all that have ended and were not sent whole.
        every: All that have ended, sent whole or not.
        uri: MLflow tracking URI to send to, instead of that of each run.

    Raises:
        UserError: If there is no such run.
    """
    root = directory / "runs"
    reap_folders(root)
    for folder in _chosen(root, run, every):
        header = folder.header
        yield Synced(header.id, header.name, *_send(Sender(folder, uri, asks_again=every or run is not None)))


def _chosen(root: Path, run: str | None, every: bool) -> list[RunFolder]:
    if run is None:
        recorded = run_folders(root) if every else unsent_folders(root)
        return [folder for folder in recorded if not folder.lives()]
    folders = {folder.path.name: folder for folder in run_folders(root)}
    records = sorted(map(read_folder, folders.values()), key=lambda record: record.started, reverse=True)
    return [folders[find_run(records, run).id]]


def _send(sender: Sender) -> tuple[int, str | None]:
    """Returns how many records were sent, and why not all."""
    try:
        sender.send()
    except UserError as error:
        return sender.num_acknowledged, str(error)
    except Timeout:
        return 0, "another process is sending it"
    refused = "; ".join(f"the store does not take {said}" for said in sender.folder.sent.refused)
    return sender.num_acknowledged, refused or None
