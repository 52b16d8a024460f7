"""What a bad MLflow server costs a training, and what it has in the end: `python -m benchmarks.outage [--quick]`.

Runs train and are sent, in turns, to a server that is well, that fails, delays and loses answers, that is stopped
(SIGSTOP), and that is killed; then it comes back with nothing. Printed are the time of a step beside that of the turn
without an outage, median over rounds with the lowest and highest ratio, and what the new server has of the runs once
`plumbline sync` has sent it, record by record.
"""

import argparse
import os
import random
import signal
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import keras

from benchmarks.overhead import staged
from pipeline.execution import run as run_pipeline
from pipeline.recipe.load import load_recipe
from pipeline.recipe.tree import Recipe
from pipeline.sync import sync
from pipeline.tracking import Tracking, open_store, run_folders
from pipeline.ui import mlflow_server
from tests.tracking.ledger import of_folder, of_store
from tests.tracking.proxy import FAULTS, Proxy, proxy_before

Times = tuple[float, float]
"""Seconds that passed, and of the processor."""

WARM_UP = 2
"""Epochs of a turn that are not timed."""

STEPS_PER_EPOCH = 19
"""Of the recipe `digits`: 1,180 examples, 64 at once."""

WELL, BAD, STOPPED, KILLED = "well", "failing, slow", "stopped", "killed"


@dataclass
class Server:
    """An MLflow server behind a proxy, and what becomes of it."""

    proxy: Proxy
    process: "subprocess.Popen[bytes]"
    address: str

    def be(self, state: str) -> None:
        """Lets it be well, bad, stopped or away."""
        generator = random.Random(state)
        self.proxy.fault = (lambda: generator.choice(FAULTS)) if state == BAD else lambda: "pass"
        os.killpg(self.process.pid, signal.SIGSTOP if state == STOPPED else signal.SIGCONT)
        # Nobody listens at this port: as where the server's process is dead.
        self.proxy.upstream = "http://127.0.0.1:9" if state == KILLED else self.address


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default: 5)")
    parser.add_argument("--epochs", type=int, default=400, help="of a turn: long enough that the server is asked")
    parser.add_argument("--quick", action="store_true", help="1 round of 40 epochs: does it run?")
    given = parser.parse_args()
    rounds, epochs = (1, 40) if given.quick else (given.rounds, given.epochs)
    print(f"{rounds} rounds of {epochs} epochs, {os.cpu_count()} cores", flush=True)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        os.chdir(folder)
        address, process = stack.enter_context(mlflow_server(_kept_in("first"), port=5400))
        proxy = stack.enter_context(proxy_before(address))
        server = Server(proxy, process, address)
        secs = measure(server, rounds, epochs)
        server.be(WELL)
        os.killpg(process.pid, signal.SIGKILL)
        proxy.upstream, _ = stack.enter_context(mlflow_server(_kept_in("second"), port=5500))
        report(secs)
        compare(proxy.uri)
        os.chdir("/")


def measure(server: Server, rounds: int, epochs: int) -> dict[str, list[Times]]:
    """Seconds a step in each state of the server in each round."""
    recipe = load_recipe("digits", [f"train.epochs={epochs}", "train.early_stopping=null", "train.on_sick=ignore"])
    prepared = run_pipeline(recipe, until="preprocess").folder("preprocess")
    states = (WELL, BAD, STOPPED, KILLED)
    secs: dict[str, list[Times]] = {state: [] for state in states}
    for i in range(rounds):
        for state in states[i % 4 :] + states[: i % 4]:
            secs[state].append(_turn(server, state, recipe, prepared, epochs, f"{state} {i}"))
            keras.backend.clear_session()
    return secs


def _turn(server: Server, state: str, recipe: Recipe, prepared: Path, epochs: int, name: str) -> Times:
    server.be(WELL)
    section = recipe.tracking.model_copy(update={"uri": server.proxy.uri})
    with Tracking.open(section, experiment="outage", base=Path.cwd()).run(
        name, params=recipe.flat(), environment={}, artifacts={}
    ) as run:
        server.be(state)
        ends = list[Times]()
        staged(recipe, prepared, run, lambda: ends.append((time.perf_counter(), time.process_time())))
        if state == STOPPED:  # else the end of the run waits for it, which is no part of the training
            server.be(WELL)
    steps = (epochs - WARM_UP) * STEPS_PER_EPOCH
    passed, used = ((last - first) / steps for last, first in zip(ends[-1], ends[WARM_UP - 1], strict=True))
    return passed, used


def report(secs: dict[str, list[Times]]) -> None:
    """Prints the time of a step in each state, and its ratio to that of a server that is well."""
    print(f"\n{'server':18}{'ms a step':>12}{'to well':>22}{'CPU ms a step':>16}{'to well':>22}")
    for state, each in secs.items():
        columns = [_column([times[i] for times in each], [times[i] for times in secs[WELL]]) for i in range(2)]
        print(f"{state:18}{columns[0]}    {columns[1]}", flush=True)


def _column(ours: list[float], well: list[float]) -> str:
    ratios = [one / other for one, other in zip(ours, well, strict=True)]
    spread = f"{statistics.median(ratios):.3f} [{min(ratios):.3f}, {max(ratios):.3f}]"
    return f"{1e3 * statistics.median(ours):12.3f}{spread:>22}"


def compare(uri: str) -> None:
    """Sends everything to the server that came back empty, and compares it with the records, one by one."""
    counts, store = Counter[str](), open_store(uri, Path.cwd())
    for folder in run_folders(Path("mlruns") / "runs"):
        for done in sync(Path("mlruns"), folder.path.name, uri=uri):
            counts["runs_not_sent"] += bool(done.problem)
        copies = Path("copies") / folder.path.name
        copies.mkdir(parents=True)
        here, there = of_folder(folder), of_store(store, folder.header.id, copies)
        counts["runs"] += 1
        counts["records"] += len(list(folder.records()))
        counts["points"] += here.metrics.total()
        counts["lost"] += (here.metrics - there.metrics).total()
        counts["doubled"] += (there.metrics - here.metrics).total()
        counts["different"] += here != there
    print(f"\nserver that came back empty, after sync: {dict(counts)}")


def _kept_in(folder: str) -> list[str]:
    Path(folder).mkdir()
    where = Path(folder).absolute()
    return ["--backend-store-uri", f"sqlite:///{where}/server.db", "--artifacts-destination", f"{where}/kept"]


if __name__ == "__main__":
    main()
