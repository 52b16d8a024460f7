"""Work on a recipe in processes of its own, before a search: begun at once, waited for when it is needed."""

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from tuning.engine import MAX_LOSSES, Engine, Tell, Worker

Work = Callable[[Path, Path, Tell], None]
"""Takes the file of a recipe and the JSON file to write: what was found, or `error`."""


class Errands:
    """One function in as many processes as there are files to write.

    Args:
        workers: Where they run; has a free place for each.
        work: The function.
        recipe: File of the recipe.
        outs: JSON file of each process.
        log: File that takes what they print.
    """

    def __init__(self, workers: Engine, work: Work, recipe: Path, outs: Sequence[Path], log: Path):
        self._workers, self._log, self._outs = workers, log, outs
        self._begin: Callable[[Path], Worker] = lambda out: workers.start(functools.partial(work, recipe, out), log)
        self._open = {self._begin(out): out for out in outs}
        self._losses = 0

    def results(self) -> list[dict[str, Any]]:
        """Waits for all of them.

        Returns:
            What each wrote.

        Raises:
            UserError: If one wrote an error, or died.
        """
        while self._open:
            for worker in self._workers.wait(1.0):
                out = self._open.pop(worker)
                if worker.lost and self._losses < MAX_LOSSES:
                    self._losses += 1
                    self._open[self._begin(out)] = out
                elif not out.exists():
                    last = self._log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
                    cause = self._workers.cause_of_death(worker)
                    raise UserError(f"the recipe as it stands cannot be trained: {cause}. {last}")
        return [self._read(out) for out in self._outs]

    @staticmethod
    def _read(out: Path) -> dict[str, Any]:
        written: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        out.unlink()
        if "error" in written:
            raise UserError(str(written["error"]))
        return written
