"""A service that answers as a test tells it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """Is what the service answers. Without a status, it closes the connection instead."""

    status: int | None
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Received:
    """Is a request that came."""

    path: str
    headers: dict[str, str]
    body: Any


class FakeService:
    """Answers each request with the next reply."""

    def __init__(self, *replies: Reply) -> None:
        left = list(replies)
        received: list[Received] = []
        self.received = received

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                size = int(self.headers.get("content-length", 0))
                body = json.loads(self.rfile.read(size)) if size else None
                headers = {name.lower(): value for name, value in self.headers.items()}
                received.append(Received(self.path, headers, body))
                reply = left.pop(0)
                if reply.status is None:
                    return
                is_text = isinstance(reply.body, str)
                content = reply.body if is_text else json.dumps(reply.body)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(str(content).encode())

            do_GET = do_POST = answer

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def __enter__(self) -> FakeService:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
