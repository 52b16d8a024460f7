"""What the folder of a run holds for its report: curves, time and machine of each stage, tables, pictures."""

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.compute.quantities import size
from pipeline.journal import Record
from pipeline.pages import embedded
from pipeline.tracking.folder import RunFolder

SYSTEM = "system/"
BUSY = {"CPU": f"{SYSTEM}cpu_utilization_percentage", "GPU": f"{SYSTEM}gpu_0_utilization_percentage"}
USED = {"memory": f"{SYSTEM}system_memory_usage_megabytes", "GPU memory": f"{SYSTEM}gpu_0_memory_usage_megabytes"}


@dataclass(frozen=True)
class Cost:
    """What one stage took, over all times that it went on after a stop."""

    seconds: float
    """Wall time."""
    samples: Mapping[str, Sequence[float]]
    """What was sampled of the machine while it ran, by the names of MLflow; empty for a stage of less than a second."""

    @property
    def machine(self) -> str:
        """How busy the whole machine was on average, and how much of its memory was in use at most."""
        busy = [(name, self.samples.get(key)) for name, key in BUSY.items()]
        used = [(name, self.samples.get(key)) for name, key in USED.items()]
        shares = [f"{name} {sum(values) / len(values):.0f} %" for name, values in busy if values]
        return ", ".join([*shares, *(f"{name} up to {size(max(values) * 1e6)}" for name, values in used if values)])


def costs(records: Iterable[Record]) -> dict[str, Cost]:
    """Reads what each stage took from a run's records.

    Args:
        records: In the order in which they were written.

    Returns:
        Stage that ran in this run to its cost, in the order in which they began.
    """
    spans: dict[str, list[list[int]]] = {}
    samples: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        stage = record.get("run") or record.get("of", [""])[0]
        if stage and record["kind"] == "begin":
            spans.setdefault(stage, []).append([record["time"], record["time"]])
        elif stage in spans:
            spans[stage][-1][1] = max(spans[stage][-1][1], record["time"])
            if record.get("run") and record["kind"] == "metrics":
                for name, value in record["values"].items():
                    samples[stage][name].append(value)
    return {
        stage: Cost(sum(last - first for first, last in times) / 1000, samples[stage]) for stage, times in spans.items()
    }


def epochs(records: Iterable[Record]) -> list[dict[str, Any]]:
    """Reads the history of the training: a line an epoch, as in `history.json`."""
    lines: dict[int, dict[str, Any]] = {}
    for record in records:
        if record["kind"] == "metrics" and not record.get("run") and record["step"] is not None:
            lines.setdefault(record["step"], {"epoch": record["step"]}).update(record["values"])
    return [lines[epoch] for epoch in sorted(lines)]


@dataclass(frozen=True)
class Artifacts:
    """The artifacts of a run; what there is not is empty."""

    folder: RunFolder

    def text(self, path: str) -> str:
        """A text."""
        file = self.folder.artifact(path)
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def tree(self, path: str) -> Any:
        """A JSON file."""
        return json.loads(self.text(path) or "{}")

    def rows(self, path: str) -> list[dict[str, str]]:
        """A CSV file, a row a dictionary."""
        return list(csv.DictReader(self.text(path).splitlines()))

    def picture(self, path: str) -> str:
        """A picture as an address that holds its own bytes."""
        file = self.folder.artifact(path)
        return embedded(file.read_bytes()) if file.exists() else ""
