"""An HTTP proxy before a server, that fails as networks and servers do."""

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

SLOW_SECS = 0.2


FAULTS = ("pass", "pass", "refuse", "swallow", "slow")
"""What may become of a call to a bad server; two in five go well."""


@dataclass
class Proxy:
    """A proxy that runs; what it does can be changed at any time."""

    upstream: str
    """Address of the server."""
    fault: Callable[[], str] = lambda: "pass"
    """Says what becomes of the next call: `pass`, `refuse` (500), `swallow` (done, but the answer is lost), `slow`."""
    uri: str = ""
    """Its own address."""


@contextmanager
def proxy_before(upstream: str) -> Iterator[Proxy]:
    """Starts a proxy before a server."""
    proxy = Proxy(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            match proxy.fault():
                case "refuse":
                    self.answer(500, b"{}", "application/json")
                    return
                case "swallow":
                    with suppress(OSError):
                        self.forward(body)
                    self.close_connection = True
                    return
                case "slow":
                    time.sleep(SLOW_SECS)
            try:
                self.answer(*self.forward(body))
            except OSError:  # there is no server, or nobody waits for it any more
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

        def forward(self, body: bytes) -> tuple[int, bytes, str]:
            address = urlsplit(proxy.upstream)
            connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
            try:
                headers = {key: value for key, value in self.headers.items() if key.lower() != "host"}
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                return answer.status, answer.read(), answer.headers.get("Content-Type", "")
            finally:
                connection.close()

        def answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    proxy.uri = f"http://127.0.0.1:{server.server_port}"
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
