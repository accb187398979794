"""The language server over real stdio: a small editor starts it, opens files, and asks."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TEXT = """\
FROM nvidia/cuda:12.4.1-devel-ubuntu22.04
LABEL name="😀"
ADD app /app
USER 1000
CMD ["serve"]
"""
POLICY = """\
default: here
own_rules: ./rules
conditions:
  - {id: no-add, for: instruction, when: instruction.keyword == "ADD", message: ADD again, hint: write COPY}
profiles:
  here:
    rules: {unpinned-base: "off"}
"""
RULE = '''\
"""ran: says that this file was run."""

from pipeline.mend import replaced
from pipeline.model import Fix, Problem, Rule, Severity
from pipeline.parse import tokens


def look(dockerfile, context):
    """Yield every LABEL, in what follows the face."""
    print("this must not reach the editor")
    for one in dockerfile.instructions:
        if one.keyword == "LABEL":
            whole = tokens(dockerfile, one)
            at = whole.words[1].span
            yield Problem(one.line, "a face", at=at, fix=Fix("write it in words", (replaced(at, '"smile"'),)))


RULE = Rule(id="ran", severity=Severity.WARNING, hint="write words", look=look)
'''
PAGE = "# ran\n\nIt was run.\n\n## Caught\n\n## Fine\n\n## Allowing it\n"


class Editor:
    """Speaks the protocol with a server that it started."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.start", "lsp", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[1],
        )  # fmt: skip
        self.heard: queue.Queue[dict[str, Any]] = queue.Queue()
        self.left: list[dict[str, Any]] = []
        self.number = 0
        self.ear = threading.Thread(target=self._listen, daemon=True)
        self.ear.start()
        capabilities = {"general": {"positionEncodings": ["utf-16"]}}
        self.server = self.ask("initialize", processId=None, rootUri=folder.as_uri(), capabilities=capabilities)
        self.tell("initialized")

    def _listen(self) -> None:
        out = self.process.stdout
        assert out is not None
        while header := out.readline():
            length = int(header.removeprefix(b"Content-Length:"))
            while out.readline().strip():
                pass
            self.heard.put(json.loads(out.read(length)))

    def _send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.process.stdin.flush()

    def tell(self, method: str, **params: Any) -> None:
        self._send(method=method, params=params)

    def ask(self, method: str, **params: Any) -> Any:
        self.number += 1
        number = self.number
        self._send(id=number, method=method, params=params)
        answer = self.wait(lambda one: one.get("id") == number and "method" not in one)
        assert "error" not in answer, answer
        return answer["result"]

    def wait(self, wanted: Any, seconds: float = 30) -> dict[str, Any]:
        end = time.monotonic() + seconds
        for one in self.left:
            if wanted(one):
                self.left.remove(one)
                return one
        while True:
            one = self.heard.get(timeout=max(end - time.monotonic(), 0.01))
            if wanted(one):
                return one
            self.left.append(one)

    def open(self, name: str, text: str, language: str = "dockerfile") -> str:
        uri = (self.folder / name).as_uri()
        self.tell(
            "textDocument/didOpen", textDocument={"uri": uri, "languageId": language, "version": 1, "text": text}
        )
        return uri

    def diagnostics(self, uri: str, version: int | None = 1) -> list[dict[str, Any]]:
        def ours(one: dict[str, Any]) -> bool:
            published = one.get("method") == "textDocument/publishDiagnostics" and one["params"]["uri"] == uri
            return published and one["params"].get("version") == version

        found = self.wait(ours)["params"]["diagnostics"]
        assert isinstance(found, list)
        return found

    def actions(self, uri: str, range_: Any, *only: str) -> list[dict[str, Any]]:
        context = {"diagnostics": [], **({"only": list(only)} if only else {})}
        found = self.ask("textDocument/codeAction", textDocument={"uri": uri}, range=range_, context=context)
        assert isinstance(found, list)
        return found

    def hover(self, uri: str, line: int, character: int) -> str:
        place = {"line": line, "character": character}
        found = self.ask("textDocument/hover", textDocument={"uri": uri}, position=place)
        return "" if found is None else str(found["contents"]["value"])

    def close(self) -> int:
        self.ask("shutdown")
        self.tell("exit")
        return self.process.wait(timeout=20)

    def __enter__(self) -> Editor:
        return self

    def __exit__(self, *raised: object) -> None:
        self.process.kill()
        self.process.wait()
        self.ear.join()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "policies" / "rules").mkdir(parents=True)
    (folder / "policies" / "policy.yaml").write_text(POLICY, encoding="utf-8")
    (folder / "policies" / "rules" / "ran.py").write_text(RULE, encoding="utf-8")
    (folder / "policies" / "rules" / "ran.md").write_text(PAGE, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def editor(workspace: Path) -> Iterator[Editor]:
    with Editor(workspace, "--own-rules") as made:
        yield made
        assert made.close() == 0


WHOLE = {"start": {"line": 0, "character": 0}, "end": {"line": 99, "character": 0}}


def applied(text: str, action: dict[str, Any]) -> str:
    """The text after an action, its ranges read in UTF-16 code units."""
    lines = text.split("\n")
    ((_, edits),) = action["edit"]["changes"].items()

    def offset(at: dict[str, int]) -> int:
        before = sum(len(line.encode("utf-16-le")) + 2 for line in lines[: at["line"]])
        return before + 2 * at["character"]

    raw = text.encode("utf-16-le")
    for edit in sorted(edits, key=lambda one: offset(one["range"]["start"]), reverse=True):
        start, end = offset(edit["range"]["start"]), offset(edit["range"]["end"])
        raw = raw[:start] + edit["newText"].encode("utf-16-le") + raw[end:]
    return raw.decode("utf-16-le")


def test_findings_arrive_when_a_file_is_opened(editor: Editor) -> None:
    found = {one["code"]: one for one in editor.diagnostics(editor.open("Dockerfile", TEXT))}
    assert {"devel-image-shipped", "no-add", "ran"} <= set(found) and "unpinned-base" not in found
    devel = found["devel-image-shipped"]
    assert (devel["severity"], devel["source"]) == (1, "seatrial")
    assert devel["range"]["start"]["line"] == 0 and "try: " in devel["message"]
    assert devel["codeDescription"]["href"].endswith("policies/devel_image_shipped.md")
    assert found["no-add"]["range"] == {"start": {"line": 2, "character": 0}, "end": {"line": 2, "character": 12}}


def test_positions_are_counted_in_utf16(editor: Editor) -> None:
    found = {one["code"]: one for one in editor.diagnostics(editor.open("utf16/Dockerfile", TEXT))}
    assert found["ran"]["range"] == {"start": {"line": 1, "character": 11}, "end": {"line": 1, "character": 15}}


def test_a_change_is_judged_once_the_keys_rest(editor: Editor) -> None:
    uri = editor.open("typing/Dockerfile", TEXT)
    editor.diagnostics(uri)
    for version in range(2, 6):
        text = TEXT.replace("ADD", "COPY") if version == 5 else TEXT + "#" * version
        editor.tell(
            "textDocument/didChange", textDocument={"uri": uri, "version": version}, contentChanges=[{"text": text}]
        )
    codes = {one["code"] for one in editor.diagnostics(uri, 5)}
    assert "no-add" not in codes and "ran" in codes
    told = [one for one in editor.left if one.get("params", {}).get("uri") == uri]
    assert not told, "the texts in between were not worth a judgement"


def test_a_file_that_does_not_parse_is_one_diagnostic_at_its_line(editor: Editor) -> None:
    (told,) = editor.diagnostics(editor.open("broken/Dockerfile", "FROM a\nRUNN x\n"))
    assert (told["code"], told["range"]["start"]["line"], told["severity"]) == ("not-judged", 1, 1)


def test_hover_shows_the_page_of_a_finding_and_what_is_known_of_a_base(editor: Editor) -> None:
    uri = editor.open("hover/Dockerfile", TEXT)
    editor.diagnostics(uri)
    base = editor.hover(uri, 0, 8)
    assert "nvidia/cuda:12.4.1-devel-ubuntu22.04" in base and "CUDA 12.4" in base and "driver" in base
    assert "# devel-image-shipped" in base
    assert "# no-add\n" in editor.hover(uri, 2, 1)
    assert "# ran\n" in editor.hover(uri, 1, 12)
    assert editor.hover(uri, 5, 0) == ""


def test_a_base_that_comes_through_an_argument_is_shown_resolved(editor: Editor) -> None:
    uri = editor.open(
        "argument/Dockerfile", "ARG TAG=11.0.3-base-ubuntu20.04\nFROM nvidia/cuda:${TAG} AS a\nFROM a\n"
    )
    editor.diagnostics(uri)
    assert "11.0.3-base-ubuntu20.04 (written nvidia/cuda:${TAG})" in editor.hover(uri, 1, 2)
    assert "`a`** builds on **`nvidia/cuda:11.0.3-base-ubuntu20.04`" in editor.hover(uri, 2, 2)


def test_a_fix_is_an_action_that_does_what_fix_does(editor: Editor) -> None:
    uri = editor.open("action/Dockerfile", TEXT)
    (told,) = [one for one in editor.diagnostics(uri) if one["code"] == "ran"]
    fixes = [one for one in editor.actions(uri, told["range"], "quickfix") if "words" in one["title"]]
    assert [one["isPreferred"] for one in fixes] == [True]
    assert applied(TEXT, fixes[0]) == TEXT.replace('"😀"', '"smile"')


def test_allow_this_here_writes_a_waiver_that_holds(editor: Editor) -> None:
    uri = editor.open("allow/Dockerfile", TEXT)
    (told,) = [one for one in editor.diagnostics(uri) if one["code"] == "no-add"]
    (allow,) = [one for one in editor.actions(uri, told["range"]) if one["title"].startswith("allow no-add")]
    after = applied(TEXT, allow)
    assert "\n# policy: allow no-add until 20" in after
    codes = {one["code"] for one in editor.diagnostics(editor.open("allowed/Dockerfile", after))}
    assert "no-add" not in codes and not any("waiver" in code for code in codes)


def test_all_that_is_safe_is_mended_on_request(editor: Editor) -> None:
    uri = editor.open("all/Dockerfile", TEXT)
    editor.diagnostics(uri)
    (one,) = editor.actions(uri, WHOLE, "source.fixAll")
    after = applied(TEXT, one)
    assert '"smile"' in after and "devel" in after, "the flavour of the base is for a person to decide"
    kinds = {action["kind"] for action in editor.actions(uri, WHOLE, "quickfix")}
    assert kinds == {"quickfix"}


def test_files_that_are_no_dockerfiles_are_left_alone(editor: Editor) -> None:
    uri = editor.open("main.py", "import os\n", language="python")
    assert editor.hover(uri, 0, 1) == "" and editor.actions(uri, WHOLE) == []
    assert not [one for one in editor.left if one.get("params", {}).get("uri") == uri]


def test_a_closed_file_has_no_findings(editor: Editor) -> None:
    uri = editor.open("closed/Dockerfile", TEXT)
    assert editor.diagnostics(uri)
    editor.tell("textDocument/didClose", textDocument={"uri": uri})
    assert editor.diagnostics(uri, None) == []


def test_opening_a_folder_runs_none_of_its_code(workspace: Path) -> None:
    with Editor(workspace) as editor:
        codes = {one["code"] for one in editor.diagnostics(editor.open("Dockerfile", TEXT))}
        assert "ran" not in codes and "no-add" in codes
        assert editor.close() == 0


def test_an_edit_of_the_policy_counts_and_a_broken_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    policy = tmp_path / "policies" / "policy.yaml"
    policy.write_text("default: a\nprofiles: {a: {}}\n", encoding="utf-8")
    with Editor(tmp_path) as editor:
        uri = editor.open("Dockerfile", TEXT)
        assert "unpinned-base" in {one["code"] for one in editor.diagnostics(uri)}
        policy.write_text("default: a\nprofiles: {a: {rulez: {}}}\n", encoding="utf-8")
        editor.tell("textDocument/didSave", textDocument={"uri": uri})
        (told,) = editor.diagnostics(uri)
        assert told["code"] == "not-judged" and "policy.yaml:2" in told["message"] and "rulez" in told["message"]
        assert editor.close() == 0


def test_an_image_yaml_beside_the_file_is_honoured(tmp_path: Path) -> None:
    (tmp_path / "image.yaml").write_text(
        "name: a\nrepository: t/a\nbuild_args: {TAG: 12.4.1-devel-ubuntu22.04}\n", encoding="utf-8"
    )
    text = "ARG TAG\nFROM nvidia/cuda:${TAG}\nUSER 1\n"
    (tmp_path / "Dockerfile").write_text(text, encoding="utf-8")
    with Editor(tmp_path) as editor:
        uri = editor.open("Dockerfile", text)
        assert "devel-image-shipped" in {one["code"] for one in editor.diagnostics(uri)}
        assert editor.close() == 0
