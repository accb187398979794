"""Registries and wires that misbehave: one that never answers, one that refuses, a wire that breaks or stalls."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PUT = re.compile(rb"PUT /v2/\S+digest=sha256(?:%3A|:)([0-9a-f]{64})")


class Silent:
    """Takes connections and never says a word, on a TCP port or on a socket in the file system."""

    def __init__(self, path: str | None = None) -> None:
        self.taken: list[socket.socket] = []
        self._listener = listener(path)
        threading.Thread(target=self._take, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def _take(self) -> None:
        try:
            while True:
                self.taken.append(self._listener.accept()[0])
        except OSError:
            return  # closed

    def close(self) -> None:
        for one in (self._listener, *self.taken):
            hang_up(one)


class Refusing:
    """A registry that is there and answers every upload with one status."""

    def __init__(self, status: int) -> None:
        class Answers(BaseHTTPRequestHandler):
            def _say(self, code: int) -> None:
                self.send_response(code)
                self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
                if code == 401:
                    self.send_header("WWW-Authenticate", 'Basic realm="drill"')
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                self._say(401 if status == 401 else 200 if self.path == "/v2/" else 404)

            do_HEAD = do_GET

            def do_POST(self) -> None:
                self._say(status)

            do_PUT = do_POST

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Wire:
    """A proxy in front of a real registry, or in front of an engine's socket with a socket at `path`.

    It resets the first `cuts` connections that have sent `after` bytes, once `settled` blobs have arrived whole on
    others. From the first request that `stalls` matches on, it passes nothing more. `puts` counts uploads by digest.
    """

    def __init__(
        self,
        upstream: str,
        *,
        path: str | None = None,
        after: int = 1 << 62,
        cuts: int = 0,
        settled: int = 0,
        stalls: str | None = None,
    ) -> None:
        self._upstream = upstream
        self._after, self.cuts, self._settled = after, cuts, settled
        self._stalls = re.compile(stalls.encode()) if stalls else None
        self.puts: Counter[str] = Counter()
        self.sent = 0  # bytes that clients sent
        self.stalled = threading.Event()
        self._arrived = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._listener = listener(path)
        threading.Thread(target=self._take, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        for one in (self._listener, *self._open):
            hang_up(one)

    def _take(self) -> None:
        try:
            while True:
                client = self._listener.accept()[0]
                registry = connected(self._upstream)
                self._open += [client, registry]
                self._pass_on(client, registry, self._sent_by_client(client, registry))
                self._pass_on(registry, client, self._sent_by_registry())
        except OSError:
            return  # closed

    def _pass_on(self, source: socket.socket, target: socket.socket, saw: Callable[[bytes], bool]) -> None:
        def loop() -> None:
            try:
                while data := source.recv(65536):
                    if not saw(data):
                        return
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # one side is gone: so is the connection

        threading.Thread(target=loop, daemon=True).start()

    def _sent_by_client(self, client: socket.socket, registry: socket.socket) -> Callable[[bytes], bool]:
        sent = 0

        def saw(data: bytes) -> bool:
            nonlocal sent
            sent += len(data)
            with self._lock:
                self.sent += len(data)
                for digest in PUT.findall(data):
                    self.puts[digest.decode()] += 1
            if self.stalled.is_set() or (self._stalls and self._stalls.search(data)):
                self.stalled.set()
                return False
            if sent < self._after:
                return True
            for _ in range(self._settled):
                self._arrived.acquire(timeout=5)
            with self._lock:
                cut, self.cuts = self.cuts > 0, self.cuts - 1
                self._settled = 0
            if cut:
                reset(client)
                hang_up(registry)
            return not cut

        return saw

    def _sent_by_registry(self) -> Callable[[bytes], bool]:
        def saw(data: bytes) -> bool:
            if b" 201 Created" in data[:64]:
                self._arrived.release()
            return not self.stalled.is_set()

        return saw


def listener(path: str | None) -> socket.socket:
    """On a free port, or on a socket in the file system."""
    if path is None:
        return socket.create_server(("127.0.0.1", 0))
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    return server


def connected(address: str) -> socket.socket:
    if not address.startswith("/"):
        host, _, port = address.partition(":")
        return socket.create_connection((host, int(port)))
    client = socket.socket(socket.AF_UNIX)
    client.connect(address)
    return client


def reset(connection: socket.socket) -> None:
    """Close with RST, as a firewall or a dying machine does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hang_up(connection: socket.socket) -> None:
    """Close, and wake whoever waits on it: a close alone leaves them waiting."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
