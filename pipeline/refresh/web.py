"""A URL in, bytes out. Speaks to: HTTP servers. Every answer has a limit in bytes and in seconds."""

from __future__ import annotations

import http.client
import io
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from urllib.parse import urlsplit

PATIENCE = 30.0  # seconds for one answer
LARGEST = 64 * 2**20  # bytes of one answer
_LOOPBACK = r"localhost|127(?:\.\d+){3}|::1"


class NoAnswer(Exception):
    """A server did not answer, or refused. The message is fit for a person and holds no address."""


class Client:
    """Asks servers with one set of certificates."""

    def __init__(self, ca_bundle: str | None = None) -> None:
        self.tls = ssl.create_default_context(cafile=ca_bundle) if ca_bundle else ssl.create_default_context()

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> tuple[bytes, http.client.HTTPMessage]:
        """Return the body and the headers of an answer. Raises NoAnswer, and HTTPError where the status says more."""
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and re.fullmatch(_LOOPBACK, parts.hostname or "")):
            raise NoAnswer(f"{parts.scheme or 'that'} is not asked: only https, and http on this machine")
        request = urllib.request.Request(url, headers=dict(headers or {}))
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE, context=self.tls) as answer:
                body = answer.read(LARGEST + 1)
                found: http.client.HTTPMessage = answer.headers
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswer(str(getattr(error, "reason", error)) or type(error).__name__) from None
        if len(body) > LARGEST:
            raise NoAnswer(f"the answer is larger than {LARGEST // 2**20} MiB")
        return body, found


class Remote(io.RawIOBase):
    """A file on a server, read in pieces: enough for zipfile to find one member of a large wheel."""

    def __init__(self, client: Client, url: str) -> None:
        self.client, self.url, self.at = client, url, 0
        tail, headers = self._piece("-65536")
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", headers.get("Content-Range", ""))
        if not found:
            raise NoAnswer("the server gives no pieces of files")
        self.size, self.kept = int(found[2]), (int(found[1]), tail)

    def seekable(self) -> bool:
        """It is."""
        return True

    def readable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move without asking anybody."""
        self.at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence]
        return self.at

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes: from the end that is here already, or from the server."""
        end = self.size if size is None or size < 0 else min(self.at + size, self.size)
        start, held = self.kept
        if start <= self.at and end <= start + len(held):
            piece = held[self.at - start : end - start]
        elif end <= self.at:
            piece = b""
        else:
            far = min(max(end, self.at + 65536), self.size)
            held, _ = self._piece(f"{self.at}-{far - 1}")
            self.kept = (self.at, held)
            piece = held[: end - self.at]
        self.at += len(piece)
        return piece

    def _piece(self, range_: str) -> tuple[bytes, http.client.HTTPMessage]:
        try:
            return self.client.get(self.url, {"Range": f"bytes={range_}"})
        except urllib.error.HTTPError as error:
            raise NoAnswer(f"status {error.code}") from None
