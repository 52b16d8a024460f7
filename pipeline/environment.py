"""Facts of code and machine that a run is recorded with: git, Python, libraries, hardware."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

LIBRARIES = ("plumbline", "keras", "tensorflow", "mlflow", "numpy", "scikit-learn")
"""Distributions whose versions a reader of a run wants to know."""

CHECKOUT = Path(__file__).parent.parent
"""Where this project lies if it is run from a checkout."""


def environment(folder: Path = Path()) -> dict[str, str]:
    """Gathers the facts as flat tags; imports none of the libraries.

    Args:
        folder: A folder of the git repository that the work is kept in; by default the working directory. If it is in
            none, that of this project is meant, if that is a checkout.

    Returns:
        `git.commit` (40 hex digits; absent without a repository), `git.dirty` (`yes` if tracked files differ from
        the commit), `python`, `platform`, `library.<name>`, `hardware.cpu`, `hardware.cores`, `hardware.memory_gib`
        and, where there is one, `hardware.gpu`.
    """
    return {
        **_git(folder),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{f"library.{name}": version(name) for name in LIBRARIES},
        **_hardware(),
    }


def _git(folder: Path) -> dict[str, str]:
    described = _describe(folder) or (_describe(CHECKOUT) if (CHECKOUT / ".git").exists() else None)
    if described is None:
        return {}
    commit, _, dirty = described.partition("-")
    return {"git.commit": commit, "git.dirty": "yes" if dirty else "no"}


def _describe(folder: Path) -> str | None:
    return _output("git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _hardware() -> dict[str, str]:
    facts = {
        "hardware.cpu": cpu(),
        "hardware.cores": str(num_cores()),
        "hardware.memory_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
    }
    gpus = _output("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")
    return facts | ({"hardware.gpu": "; ".join(gpus.splitlines())} if gpus else {})


def num_cores() -> int:
    """Cores that this process may use; fewer than the machine has in a container with a CPU set."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu() -> str:
    """The processor's name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    names = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next((line.partition(": ")[2] for line in names if line.startswith("model name")), platform.machine())


def _output(*command: str) -> str | None:
    """What a command prints; None if it is not installed or fails."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
