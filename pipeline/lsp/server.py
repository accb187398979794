"""The language server itself: what the editor tells, and what it is told. Speaks to: an editor, over stdio.

Texts come whole (not as edits to the last one), so that nobody has to agree on what ends a line. While somebody
types, a text is judged once the keys rest.
"""

from __future__ import annotations

import asyncio
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls import uris
from pygls.lsp.server import LanguageServer

from pipeline.lsp import answers
from pipeline.lsp.judging import Judge, Judged

REST = 0.2  # seconds without a change
NAMES = ("dockerfile", "containerfile")


class Server(LanguageServer):
    """A language server with the policy of its workspace, and the last judgement of each open file."""

    def __init__(self, policy: Path | None, run_own: bool) -> None:
        super().__init__("seatrial", version("seatrial"), text_document_sync_kind=types.TextDocumentSyncKind.Full)
        self.judge = Judge(root=Path.cwd(), policy=policy, run_own=run_own)
        self.judged: dict[str, tuple[int | None, Judged]] = {}
        self.waiting: dict[str, asyncio.Task[None]] = {}

    def told(self, uri: str) -> Judged | None:
        """The judgement of a file as it is in the editor now; None for a file that is none of ours."""
        document = self.workspace.get_text_document(uri)
        if not _ours(uri, document.language_id):
            return None
        kept = self.judged.get(uri)
        if kept is None or kept[0] != document.version or kept[1].text != document.source:
            file = Path(uris.to_fs_path(uri) or "Dockerfile")
            kept = self.judged[uri] = (document.version, self.judge.judge(file, document.source))
        return kept[1]

    def publish(self, uri: str) -> None:
        """Judge a file and tell the editor."""
        judged = self.told(uri)
        if judged is None:
            return
        found = answers.diagnostics(judged)
        for one in found:
            one.range = self.in_units(judged.text, one.range)
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri=uri, diagnostics=found, version=self.judged[uri][0])
        )

    async def publish_soon(self, uri: str) -> None:
        """The same once nobody has typed for a while."""
        await asyncio.sleep(REST)
        self.waiting.pop(uri, None)
        self.publish(uri)

    def in_units(self, text: str, range_: types.Range) -> types.Range:
        """A range in characters as one in the units that were agreed on with the editor."""
        return self.workspace.position_codec.range_to_client_units(text.split("\n"), range_)

    def in_characters(self, text: str, at: types.Position) -> types.Position:
        """A position from the editor in characters."""
        found = self.workspace.position_codec.position_from_client_units(text.split("\n"), at)
        return types.Position(found.line, found.character)


def serve(policy: Path | None, *, run_own: bool = False) -> None:
    """Serve an editor until it goes. What anybody else prints goes to stderr: stdout is the protocol's."""
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    made(policy, run_own=run_own).start_io(stdin, stdout)


def made(policy: Path | None, *, run_own: bool = False) -> Server:
    """Return a server that knows what to answer."""
    server = Server(policy, run_own)

    @server.feature(types.INITIALIZED)
    def initialized(params: types.InitializedParams) -> None:
        folder = next(iter(server.workspace.folders.values()), None)
        named = uris.to_fs_path(folder.uri if folder is not None else server.workspace.root_uri or "")
        if named:
            server.judge.root = Path(named)

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        server.publish(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(params: types.DidSaveTextDocumentParams) -> None:
        server.judged.pop(params.text_document.uri, None)  # image.yaml or the policy may have changed
        server.publish(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: types.DidChangeTextDocumentParams) -> None:
        uri = params.text_document.uri
        earlier = server.waiting.pop(uri, None)
        if earlier is not None:
            earlier.cancel()
        server.waiting[uri] = asyncio.create_task(server.publish_soon(uri))

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        earlier = server.waiting.pop(uri, None)
        if earlier is not None:
            earlier.cancel()
        if server.judged.pop(uri, None) is not None:
            server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri=uri, diagnostics=[]))

    _reading(server)
    return server


def _reading(server: Server) -> None:
    """Answer what an editor asks about a place."""

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hovered(params: types.HoverParams) -> types.Hover | None:
        judged = server.told(params.text_document.uri)
        if judged is None:
            return None
        return answers.hover(judged, server.in_characters(judged.text, params.position))

    kinds: list[Any] = [types.CodeActionKind.QuickFix, answers.FIX_ALL]

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(code_action_kinds=kinds))
    def asked(params: types.CodeActionParams) -> list[types.CodeAction]:
        uri = params.text_document.uri
        judged = server.told(uri)
        if judged is None:
            return []
        start, end = (server.in_characters(judged.text, at) for at in (params.range.start, params.range.end))
        params.range = types.Range(start, end)
        found = answers.actions(judged, server.judge, uri, params)
        for one in found:
            for shown in one.diagnostics or ():
                shown.range = server.in_units(judged.text, shown.range)
            for edits in (one.edit.changes or {}).values() if one.edit else ():
                for edit in edits:
                    edit.range = server.in_units(judged.text, edit.range)
        return found


def _ours(uri: str, language: str | None) -> bool:
    """Whether a file is a Dockerfile, by what the editor calls it or by its name."""
    name = uri.rpartition("/")[2].lower()
    if name.endswith(".dockerignore"):
        return False
    return (language or "").lower() in NAMES or name.startswith(NAMES) or name.endswith(".dockerfile")
