"""Samples what the machine is doing while a stage runs: CPU, memory, disk, network, GPU."""

import contextlib
import threading
from collections.abc import Callable, Iterator

from mlflow.system_metrics.metrics.base_metrics_monitor import BaseMetricsMonitor
from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

from pipeline.errors import UserError

FIRST_SECS, LATER_SECS = 1.0, 10.0
"""Time between two samples: of the first minute, and from then on."""

NUM_FIRST = 60
"""Samples in quick succession."""


@contextlib.contextmanager
def system_metrics(record: Callable[[dict[str, float], int], None], first: int = 0) -> Iterator[None]:
    """Samples in a thread while the block runs.

    Args:
        record: Is given each sample, with names under `system/`, and its number.
        first: Number of the first sample.
    """
    ended = threading.Event()
    thread = threading.Thread(target=_sample, args=(record, first, ended), name="system-metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _sample(record: Callable[[dict[str, float], int], None], number: int, ended: threading.Event) -> None:
    monitors = _monitors()
    while not ended.wait(FIRST_SECS if number < NUM_FIRST else LATER_SECS):
        values: dict[str, float] = {}
        for monitor in monitors:
            monitor.collect_metrics()
            values |= monitor.aggregate_metrics()
            monitor.clear_metrics()
        try:
            record({f"system/{name}": float(value) for name, value in values.items()}, number)
        except UserError:  # of the disk; the stage will meet it too, and say so
            return
        number += 1


def _monitors() -> list[BaseMetricsMonitor]:
    monitors = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    with contextlib.suppress(Exception):  # ours to read, mlflow's to tell whether there is a GPU
        monitors.append(GPUMonitor())
    return monitors
