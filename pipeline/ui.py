"""The MLflow UI on a store: a server of its own, for as long as someone looks."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from pipeline.errors import UserError
from pipeline.runs import open_existing
from pipeline.tracking import Store, read_runs

START_SECS = 60.0
"""A server that does not answer within this time is taken for broken."""

STOP_SECS = 10.0
"""Time that a server has to end by itself."""

QUIET = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "PYTHONWARNINGS": "ignore",
}
"""Environment of the server: no processes for jobs that nobody starts (half a gigabyte), no lines about itself."""


def serve_ui(uri: str | None = None, *, host: str = "127.0.0.1", port: int = 5000) -> None:
    """Runs the MLflow UI in the foreground until Ctrl-C; prints its address.

    Args:
        uri: MLflow tracking URI; by default that of the working directory.
        host: Interface to listen on.
        port: Port to listen on; the next free one is taken if it is in use.

    Raises:
        UserError: If there is no store, or the server does not start.
    """
    store = open_existing(uri)
    if store.uri.startswith(("http:", "https:")):
        print(f"This store is an MLflow server with a UI of its own: {store.uri}")
        return
    serving = mlflow_server(_store_arguments(store), host=host, port=port)
    with contextlib.suppress(KeyboardInterrupt), serving as (address, server):
        print(f"MLflow UI on {store.uri}: {address}{runs_page(store)} (Ctrl-C ends it)", flush=True)
        server.wait()


def runs_page(store: Store) -> str:
    """Path of the page with the runs of the experiment that ran last.

    The page is named in full because MLflow's front page leads to its tools for language models first.
    """
    newest = next(read_runs(store), None)
    if newest is None:
        return "/#/experiments"
    experiment = store.client.get_experiment_by_name(newest.experiment)
    return f"/#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning"


@contextlib.contextmanager
def mlflow_server(
    arguments: Sequence[str], *, host: str = "127.0.0.1", port: int = 5000
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Starts an MLflow server and ends it, with all its processes, after the block.

    Args:
        arguments: Of `mlflow server`: where runs and artifacts are.
        host: Interface to listen on.
        port: Port to listen on, or the next free one.

    Yields:
        The address once it answers, and the process.

    Raises:
        UserError: If it does not start.
    """
    port = _free_port(host, port)
    listen = ["--host", host, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    command = [sys.executable, "-m", "mlflow", "server", *arguments, *listen]
    server = subprocess.Popen(command, env=os.environ | QUIET, start_new_session=True)
    try:
        _wait_until_up(server, host, port)
        yield f"http://{host}:{port}", server
    finally:
        _stop(server)


def _store_arguments(store: Store) -> list[str]:
    artifacts = ["--default-artifact-root", store.artifacts.as_uri()] if store.artifacts else []
    return ["--backend-store-uri", store.uri, "--registry-store-uri", store.uri, *artifacts]


def _free_port(host: str, first: int) -> int:
    """The first port from `first` on that nobody listens on."""
    for port in range(first, min(first + 100, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((host, port))
                return port
    raise UserError(f"--port: expected a free port on {host} from {first} on; all of the next 100 are in use")


def _wait_until_up(server: "subprocess.Popen[bytes]", host: str, port: int) -> None:
    until = time.monotonic() + START_SECS
    while time.monotonic() < until and server.poll() is None:
        connection = http.client.HTTPConnection(host, port, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/health")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        time.sleep(0.1)
    raise UserError(f"The MLflow server did not start on {host}:{port}; what it printed above says why")


def _stop(server: "subprocess.Popen[bytes]") -> None:
    """Ends the server and its workers, which share a session of their own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(STOP_SECS)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
