"""The MLflow store of runs and models: found by its URI, created once, checked before any work."""

import contextlib
import logging
import os
import re
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
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
"""How long the first call to a server may take: five seconds, one attempt."""

logging.getLogger("mlflow").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Store:
    """An MLflow store that answered."""

    uri: str
    """Absolute MLflow URI."""
    artifacts: Path | None
    """Folder of artifacts beside a sqlite file; None: the server decides."""
    client: MlflowClient

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Turns a store's failure to take a record into a message for the user.

        Raises:
            UserError: If the store cannot be reached or written.
        """
        try:
            yield
        except (MlflowException, OSError) as error:
            raise UserError(
                f"tracking.uri: {redacted(self.uri)} does not take the run's records any more: "
                f"{one_line(_failure(error))}. Finished stages are kept: run the same command once it is back"
            ) from error


def open_store(uri: str, base: Path, *, create: bool = True) -> Store:
    """Opens the store of a tracking URI and makes one call to see that it answers.

    Args:
        uri: Any MLflow tracking URI of a database or a server. The path of a sqlite URI may be relative.
        base: Folder that a relative sqlite path is relative to.
        create: Whether a sqlite file that does not exist is created, with its folder.

    Raises:
        UserError: If the URI is no store that MLflow takes, or the store does not answer.
    """
    if uri.startswith(SQLITE):
        return _open_sqlite(base / Path(uri.removeprefix(SQLITE)).expanduser(), create=create)
    if urlsplit(uri).scheme in ("", "file"):
        raise UserError(
            "tracking.uri: expected a database or a server, such as sqlite:///mlruns/mlflow.db or http://host:5000; "
            f"MLflow no longer keeps runs in plain folders. Received: {uri}"
        )
    with _answering(uri), _impatient():
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    return Store(uri, None, client)


def _open_sqlite(file: Path, *, create: bool) -> Store:
    file = file.absolute()
    if not create and not file.exists():
        raise UserError(f"No runs yet: there is no {file}. Start one with `plumbline run digits`")
    uri = f"{SQLITE}{file}"
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
        raise UserError(
            f"tracking.uri: expected a store that answers at {redacted(uri)}. Received: {one_line(_failure(error))}. "
            f"{'Mend' if uri.startswith(SQLITE) else 'Start the server, or mend'} or leave out tracking.uri"
        ) from error


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in PATIENCE}
    os.environ.update(PATIENCE)
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
    """The first line of an error's message, without its final period."""
    lines = str(error).strip().splitlines()
    return redacted(lines[0].rstrip(".")) if lines else type(error).__name__
