"""Text files that are replaced whole: a reader finds the old text or the new one, also after a kill."""

import contextlib
import os
from pathlib import Path


def write_whole(path: Path, text: str, *, durable: bool = False) -> None:
    """Writes a file under a temporary name beside it, then renames it.

    Args:
        path: The file; its folder is there.
        text: The new content.
        durable: Whether the text is on the disk before it takes the name, so that a power cut spares it.

    Raises:
        OSError: If the disk does not take it; the old text stays.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
