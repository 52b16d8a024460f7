"""Kills whoever writes a run and whoever sends it: `python -m tests.chaos.ship --kills 200 --seed 1`.

Each run is written by processes that SIGKILL ends one to five times, and sent by others that fare the same: to an
sqlite store, or through a proxy that fails, delays and loses answers to a real MLflow server. Then the run's records
and what the store has are compared, one by one.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.tracking import RunFolder, Store, open_store
from pipeline.ui import mlflow_server
from tests.test_tracking import NOBODY
from tests.tracking import killing
from tests.tracking.ledger import of_folder, of_store
from tests.tracking.proxy import FAULTS, proxy_before
from tests.tracking.writing import open_at, write_run

EPOCHS = 100
MOST_KILLS = 5
"""Of the writers of one run, and of its senders."""


def main() -> None:
    """Prints one line a run and the counts as JSON; ends with 1 if a record lacks or is doubled."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="How many at least.")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    generator, counts, began = random.Random(given.seed), Counter[str](), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        where = ["--backend-store-uri", f"sqlite:///{base}/server.db", "--artifacts-destination", f"{base}/kept"]
        with mlflow_server(where, port=5300) as (server, _), proxy_before(server) as proxy:
            proxy.fault = lambda: generator.choice(FAULTS)
            stores = [
                (proxy.uri, open_store(server, base)),
                (sqlite := f"sqlite:///{base}/mlflow.db", open_store(sqlite, base)),
            ]
            while counts["kills"] < given.kills:
                uri, store = stores[counts["runs"] % 2]
                found = one_run(base / str(counts["runs"]), uri, store, generator)
                print(json.dumps({"store": uri.partition(":")[0], **found}), flush=True)
                counts.update({"runs": 1, **found})
    print(json.dumps({**counts, "secs": round(time.monotonic() - began)}))
    sys.exit(bool(counts["lost"] or counts["doubled"] or counts["different"]))


def one_run(base: Path, uri: str, store: Store, generator: random.Random) -> dict[str, int]:
    """Writes and sends a run, with kills; returns the counts."""
    folder, writers_killed = _write(base, generator)
    senders_killed = _send(folder, uri, generator)
    here, there = of_folder(folder), of_store(store, folder.header.id, _new(base / "copies"))
    return {
        "kills": writers_killed + senders_killed,
        "writers": writers_killed,
        "senders": senders_killed,
        "records": len(list(folder.records())),
        "points": here.metrics.total(),
        "lost": (here.metrics - there.metrics).total(),
        "doubled": (there.metrics - here.metrics).total(),
        "different": int(here != there),
    }


def _write(base: Path, generator: random.Random) -> tuple[RunFolder, int]:
    out = base / "out"
    journal = out / "train" / "journal.jsonl"

    def num_lines() -> int:
        return journal.read_bytes().count(b"\n") if journal.exists() else 0

    killed, run_id = 0, None
    for moment in _moments(generator, num_lines, EPOCHS):
        arguments: tuple[Any, ...] = (str(base), NOBODY, str(out), EPOCHS, run_id)
        killed += not killing.run_and_kill(killing.write, *arguments, when=moment)
        run_id = next((file.parent.name for file in base.glob("mlruns/runs/[!.]*/run.json")), None)
    return write_run(open_at(base, NOBODY), out, epochs=EPOCHS, run_id=run_id), killed


def _send(folder: RunFolder, uri: str, generator: random.Random) -> int:
    killed, count = 0, len(list(folder.records()))
    for moment in _moments(generator, lambda: folder.sent.next, count):
        killed += not killing.run_and_kill(killing.send, str(folder.path), uri, when=moment)
    killing.send(str(folder.path), uri)
    return killed


def _moments(generator: random.Random, progress: Callable[[], int], last: int) -> Any:
    return killing.moments(generator.randrange(2**32), progress, last, generator.randint(1, MOST_KILLS))


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
