"""An HTTP proxy before a server, that fails as networks and servers do."""

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

Fault = Callable[[], str]
"""Says what becomes of the next call: `pass`, `refuse` (500), `swallow` (done, but the answer is lost), `slow`."""

SLOW_SECS = 0.5


@contextmanager
def faulty(upstream: tuple[str, int], fault: Fault) -> Iterator[str]:
    """Starts a proxy before `upstream`; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            match fault():
                case "refuse":
                    self.answer(500, b"{}", "application/json")
                    return
                case "swallow":
                    self.forward(body)
                    self.close_connection = True
                    return
                case "slow":
                    time.sleep(SLOW_SECS)
            status, answer, kind = self.forward(body)
            self.answer(status, answer, kind)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

        def forward(self, body: bytes) -> tuple[int, bytes, str]:
            connection = http.client.HTTPConnection(*upstream, timeout=60)
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
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
