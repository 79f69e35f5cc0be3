"""An engine that speaks HTTP in a thread of this process: it keeps what it is asked, and replies as a test says."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """One request: `content` is its JSON, None where it has none; `authorization` is that header."""

    path: str
    content: Any
    authorization: str


#: What is replied to a request: a status, and data that becomes JSON; bytes are sent as they are.
Reply = tuple[int, Any]


@contextmanager
def served(reply: Callable[[Asked], Reply]) -> Iterator[int]:
    """Serve on a free port of this machine, and yield its number."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def _answer(self, content: Any) -> None:
            status, data = reply(Asked(self.path, content, self.headers.get("authorization", "")))
            body = data if isinstance(data, bytes) else json.dumps(data).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def said(text: str, *, tokens: tuple[int, int] = (100, 10)) -> Reply:
    """Return what an engine replies that says *text*, after reading and writing so many *tokens*."""
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
    return 200, {"choices": [{"message": {"content": text}}], "usage": usage}
