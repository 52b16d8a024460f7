"""Work on a recipe in processes of its own, before a search: begun at once, waited for when it is needed."""

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from tuning.engine import MAX_RESTARTS, Engine, Tell, Worker

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
        self._workers, self._work, self._recipe, self._outs, self._log = workers, work, recipe, outs, log
        for out in outs:
            out.unlink(missing_ok=True)  # of an earlier session
        self._open = {self._begin(out): out for out in outs}
        self._restarts = 0

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
                if out.exists():
                    continue
                if worker.lost and self._restarts < MAX_RESTARTS:
                    self._restarts += 1
                    self._open[self._begin(out)] = out
                else:
                    last = self._log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
                    cause = self._workers.cause_of_death(worker)
                    raise UserError(f"the recipe as it stands cannot be trained: {cause}. {last}")
        return [self._read(out) for out in self._outs]

    def _begin(self, out: Path) -> Worker:
        return self._workers.start(functools.partial(self._work, self._recipe, out), self._log)

    @staticmethod
    def _read(out: Path) -> dict[str, Any]:
        written: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        out.unlink()
        if "error" in written:
            raise UserError(str(written["error"]))
        return written
