"""The MLflow store of runs and models: found by its URI, created once, checked before any work."""

import contextlib
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pipeline.errors import UserError

SQLITE = "sqlite:///"
CREDENTIALS = re.compile(r"(\w://)[^/\s@]+@")
OPENING_SECS, SENDING_SECS = 5, 10
"""How long a server may take to answer: the first call, and one with records. Each is one attempt."""

_LIMITS = threading.RLock()
"""Held while MLflow's limits are those of a block, as they are variables of the environment: threads take turns."""

PASSING = {
    "TEMPORARILY_UNAVAILABLE",
    "INTERNAL_ERROR",
    "RESOURCE_EXHAUSTED",
    "REQUEST_LIMIT_EXCEEDED",
    "DEADLINE_EXCEEDED",
}
"""MLflow's error codes of a store that may take the same call later."""

logging.getLogger("mlflow").setLevel(logging.WARNING)


class StoreAwayError(UserError):
    """The store does not answer now; what was to be sent can be sent later.

    Args:
        said: What was expected and what came.
        advice: What to do, where the user waits for the store.
    """

    def __init__(self, said: str, advice: str):
        super().__init__(f"{said}. {advice}")
        self.said = said


@dataclass(frozen=True)
class Store:
    """An MLflow store that answered."""

    uri: str
    """Absolute MLflow URI."""
    artifacts: Path | None
    """Folder of artifacts beside a sqlite file; None: the server decides."""
    client: MlflowClient

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Holds off our other processes while one writes to a sqlite file; servers and other databases queue."""
        if self.uri.startswith(SQLITE):
            with FileLock(f"{self.uri.removeprefix(SQLITE)}.lock"):
                yield
        else:
            yield


def open_store(uri: str, base: Path, *, create: bool = True) -> Store:
    """Opens the store of a tracking URI and makes one call to see that it answers.

    Args:
        uri: Any MLflow tracking URI of a database or a server. The path of a sqlite URI may be relative.
        base: Folder that a relative sqlite path is relative to.
        create: Whether a sqlite file that does not exist is created, with its folder.

    Raises:
        StoreAwayError: If a server does not answer, or a sqlite file is locked for long.
        UserError: If the URI is no store that MLflow takes.
    """
    if uri.startswith(SQLITE):
        return _open_sqlite(absolute_uri(uri, base), create=create)
    if urlsplit(uri).scheme in ("", "file"):
        raise UserError(
            "tracking.uri: expected a database or a server, such as sqlite:///mlruns/mlflow.db or http://host:5000; "
            f"MLflow no longer keeps runs in plain folders. Received: {uri}"
        )
    with _answering(uri), patience(OPENING_SECS):
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    return Store(uri, None, client)


def sqlite_file(uri: str) -> Path | None:
    """The file of a sqlite URI; None for any other."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def absolute_uri(uri: str, base: Path) -> str:
    """A tracking URI whose sqlite path, if it has one, does not depend on the working directory."""
    if not uri.startswith(SQLITE):
        return uri
    return f"{SQLITE}{(base / Path(uri.removeprefix(SQLITE)).expanduser()).absolute()}"


def _open_sqlite(uri: str, *, create: bool) -> Store:
    file = Path(uri.removeprefix(SQLITE))
    if not create and not file.exists():
        raise UserError(f"No runs yet: there is no {file}. Start one with `plumbline run digits`")
    with _answering(uri):
        file.parent.mkdir(parents=True, exist_ok=True)
        # Two processes that create the tables at once fail: mlflow does not lock.
        with FileLock(f"{file}.lock"):
            client = MlflowClient(uri)
            client.search_experiments(max_results=1)
    return Store(uri, file.parent / "artifacts", client)


@contextlib.contextmanager
def _answering(uri: str) -> Iterator[None]:
    try:
        yield
    except (MlflowException, OSError, ImportError) as error:
        said = f"tracking.uri: expected a store that answers at {redacted(uri)}. Received: {one_line(_failure(error))}"
        advice = f"{'Mend' if uri.startswith(SQLITE) else 'Start the server, or mend'} or leave out tracking.uri"
        if is_away(error) and not (uri.startswith(SQLITE) and "locked" not in str(error)):
            raise StoreAwayError(said, advice) from error
        raise UserError(f"{said}. {advice}") from error


def is_away(error: BaseException) -> bool:
    """Whether an error of a call to a store says that the same call may succeed later."""
    if isinstance(_failure(error), OSError):
        return True
    return isinstance(error, MlflowException) and error.error_code in PASSING


@contextlib.contextmanager
def patience(secs: int) -> Iterator[None]:
    """Within the block, a call to a server is one attempt of at most `secs` seconds."""
    limits = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": str(secs)}
    with _LIMITS:
        before = {name: os.environ.get(name) for name in limits}
        os.environ.update(limits)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _failure(error: BaseException) -> BaseException:
    """The failure of the network or the disk that an error came from; else the error itself."""
    found, inner = error, error.__cause__ or error.__context__
    while inner is not None:
        found = inner if isinstance(inner, OSError) else found
        inner = inner.__cause__ or inner.__context__
    return found


def find_experiment(store: Store, name: str) -> str:
    """Finds or creates the experiment of a name, and returns its id.

    Raises:
        UserError: If it was deleted.
    """
    found = store.client.get_experiment_by_name(name)
    if found is None:
        location = store.artifacts.as_uri() if store.artifacts else None
        try:
            return str(store.client.create_experiment(name, artifact_location=location))
        except MlflowException:
            # Another process may have created it since.
            found = store.client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise UserError(
            f"tracking.experiment: expected one that takes runs. Received: {name}, which was deleted. "
            f"Restore it (mlflow experiments restore -x {found.experiment_id}) or name another"
        )
    return str(found.experiment_id)


def all_pages(search: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yields everything a paged MLflow search finds; `search` takes the token of a page, None for the first."""
    token = None
    while True:
        page = search(token)
        yield from page
        token = page.token
        if not token:
            return


def redacted(text: str) -> str:
    """Takes user names and passwords out of the URLs in a text."""
    return CREDENTIALS.sub(r"\1***@", text)


def one_line(error: BaseException) -> str:
    """The first line of an error's message, without its final period; not SQLAlchemy's on when it flushed."""
    lines = [line for line in str(error).strip().splitlines() if not line.startswith("(raised as a result of ")]
    return redacted(lines[0].rstrip(".")) if lines else type(error).__name__
