"""A judged text in, what an editor shows of it out: diagnostics, hovers, code actions. Speaks to: nothing.

Ranges are in characters here; the server turns them into the units that it agreed on with the editor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lsprotocol import types

import policies
from pipeline import fix
from pipeline.analysis.bases import as_written
from pipeline.errors import BadFile
from pipeline.lint.formats.pages import explain
from pipeline.lint.masked import masked
from pipeline.lsp.judging import Judge, Judged
from pipeline.mend import newline
from pipeline.model import Dockerfile, Edit, Finding, Instruction, Rule, Severity, Span, Stage, Unread
from pipeline.parse import spans
from pipeline.waived import WAIVER_RULES

SOURCE = "seatrial"
FIX_ALL = "source.fixAll.seatrial"
WEIGHTS = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.INFO: types.DiagnosticSeverity.Information,
}
ALLOWED_FOR = timedelta(days=90)


def diagnostics(judged: Judged) -> list[types.Diagnostic]:
    """What to underline: each finding, and where reading ended in a file that could not be judged."""
    return [*(diagnostic(judged, one) for one in judged.findings), *(_unread(judged, one) for one in judged.errors)]


def diagnostic(judged: Judged, finding: Finding) -> types.Diagnostic:
    """One finding. A whole instruction is underlined on its first line only."""
    page = Path(policies.__file__).parents[1] / finding.docs
    return types.Diagnostic(
        range=_range(judged, finding),
        message=masked(f"{finding.message}\ntry: {finding.hint}"),
        severity=WEIGHTS[finding.severity],
        code=finding.rule,
        code_description=types.CodeDescription(href=page.as_uri()) if page.is_file() else None,
        source=SOURCE,
    )


def hover(judged: Judged, at: types.Position) -> types.Hover | None:
    """What there is to read at a position: the base of a FROM, then the page of each finding there."""
    brought = judged.rules.brought if judged.rules else ()
    parts = []
    if judged.dockerfile is not None:
        parts += [_about_base(stage) for stage in judged.dockerfile.stages
                  if stage.instructions[0].line <= at.line + 1 <= stage.instructions[0].end_line]  # fmt: skip
    here = [one for one in judged.findings if _holds(_range(judged, one), at)]
    parts += [_page(rule, brought) for rule in dict.fromkeys(one.rule for one in here)]
    if not parts:
        return None
    value = "\n\n---\n\n".join(parts)
    return types.Hover(contents=types.MarkupContent(kind=types.MarkupKind.Markdown, value=value))


def actions(judged: Judged, judge: Judge, uri: str, params: types.CodeActionParams) -> list[types.CodeAction]:
    """What can be done about the findings in a range: mend one, allow one, mend all that is safe."""
    found: list[types.CodeAction] = []
    if _wanted(types.CodeActionKind.QuickFix.value, params):
        for finding in judged.findings:
            if _overlap(_range(judged, finding), params.range):
                found += _about(judged, finding, uri)
    if _wanted(FIX_ALL, params):
        found += _fix_all(judged, judge, uri)
    return found


def _about(judged: Judged, finding: Finding, uri: str) -> Iterator[types.CodeAction]:
    shown = [diagnostic(judged, finding)]
    if finding.fix is not None and judged.dockerfile is not None:
        title = finding.fix.title + ("" if finding.fix.safe else " (may change the image)")
        edits = [_text_edit(judged.dockerfile, edit) for edit in finding.fix.edits]
        yield types.CodeAction(
            title=title, kind=types.CodeActionKind.QuickFix, diagnostics=shown, is_preferred=finding.fix.safe,
            edit=types.WorkspaceEdit(changes={uri: edits}),
        )  # fmt: skip
    if finding.rule not in WAIVER_RULES and judged.dockerfile is not None:
        edit = _waiver(judged.dockerfile, finding)
        if edit is not None:
            yield types.CodeAction(
                title=f"allow {finding.rule} here, with a reason and an end", kind=types.CodeActionKind.QuickFix,
                diagnostics=shown, edit=types.WorkspaceEdit(changes={uri: [edit]}),
            )  # fmt: skip


def _fix_all(judged: Judged, judge: Judge, uri: str) -> Iterator[types.CodeAction]:
    if not any(one.fix is not None and one.fix.safe for one in judged.findings):
        return
    mended = fix.mend(judged.text, lambda text: judge.look(judged.file, text).findings)
    if mended.text == judged.text:
        return
    lines = judged.text.split("\n")
    whole = types.Range(types.Position(0, 0), types.Position(len(lines) - 1, len(lines[-1])))
    edit = types.WorkspaceEdit(changes={uri: [types.TextEdit(whole, mended.text)]})
    yield types.CodeAction(title=f"mend all that is safe ({len(mended.done)})", kind=FIX_ALL, edit=edit)


def _waiver(dockerfile: Dockerfile, finding: Finding) -> types.TextEdit | None:
    """The comment that allows a finding, above its instruction; None where it stands in none."""
    holding = _instruction_at(dockerfile, finding.line)
    if holding is None:
        return None
    start = spans.tokens(dockerfile, holding).whole.start
    line, column = spans.place(dockerfile, start)
    indent = dockerfile.text.split("\n")[line - 1][: column - 1].removeprefix("\ufeff")
    until = (datetime.now(UTC).date() + ALLOWED_FOR).isoformat()
    words = f"# policy: allow {finding.rule} until {until} -- say why{newline(dockerfile)}{indent}"
    at = types.Position(line - 1, column - 1)
    return types.TextEdit(types.Range(at, at), words)


def _instruction_at(dockerfile: Dockerfile, line: int) -> Instruction | None:
    return next((one for one in dockerfile.instructions if one.line <= line <= one.end_line), None)


def _text_edit(dockerfile: Dockerfile, edit: Edit) -> types.TextEdit:
    return types.TextEdit(_span_range(dockerfile, edit.span), edit.text)


def _span_range(dockerfile: Dockerfile, span: Span) -> types.Range:
    start, end = (spans.place(dockerfile, offset) for offset in span)
    return types.Range(types.Position(start[0] - 1, start[1] - 1), types.Position(end[0] - 1, end[1] - 1))


def _range(judged: Judged, finding: Finding) -> types.Range:
    if finding.column is not None and finding.end_column is not None:
        start = types.Position(finding.line - 1, finding.column - 1)
        return types.Range(start, types.Position(finding.end_line - 1, finding.end_column - 1))
    return _line_range(judged.text, finding.line, finding.column)


def _line_range(text: str, line: int, column: int | None = None) -> types.Range:
    """A line from a column, or from its first character, to its last one."""
    lines = text.split("\n")
    line = min(max(line, 1), len(lines))
    shown = lines[line - 1].rstrip("\r \t\\")
    start = column - 1 if column is not None else len(shown) - len(shown.lstrip())
    end = max(len(shown), start)
    return types.Range(types.Position(line - 1, start), types.Position(line - 1, end))


def _unread(judged: Judged, error: Unread) -> types.Diagnostic:
    """A file that could not be judged: at its line; when another file is at fault, on the first line."""
    own = error.file == str(judged.file)
    message = error.message.removeprefix(f"{error.file}:{error.line}: ") if own else error.message
    return types.Diagnostic(
        range=_line_range(judged.text, error.line or 1 if own else 1),
        message=f"{message}\ntry: {error.hint}",
        severity=types.DiagnosticSeverity.Error,
        code="not-judged",
        source=SOURCE,
    )


def _page(rule: str, brought: Sequence[Rule]) -> str:
    try:
        return explain(rule, brought)
    except BadFile:
        return f"# {rule}"


def _about_base(stage: Stage) -> str:
    """What is known about the base of a stage: through which names it came, CUDA, its driver, its end of life."""
    from pipeline import facts

    if stage.parent is not None and stage.image is not None:
        head = f"**{_code(stage.base)}** builds on **{_code(stage.image)}**"
    elif stage.image is None:
        return f"**{_code(stage.base)}**: nobody can tell which image this is; an ARG has no value"
    else:
        head = f"**{_code(as_written(stage))}**"
    lines = [head]
    base, tag = facts.gpu_base(stage.image), facts.cuda_tag(stage.image)
    if base is None:
        return "\n".join([*lines, "", "- not an image that we know to be for GPUs"])
    words = {"CUDA": base.cuda, "cuDNN": base.cudnn, "ROCm": base.rocm, "flavour": base.flavour,
             "framework": base.framework, "Python": base.python, "system": base.os}  # fmt: skip
    told = [f"{name} {value}" for name, value in words.items() if value is not None]
    lines += ["", f"- {', '.join(told)}"] if told else [""]
    least = facts.oldest_driver(base.cuda) if base.cuda is not None else None
    whole = facts.minimum_driver(base.cuda) if base.cuda is not None and len(base.cuda.release) > 1 else None
    if least is not None:
        all_of_it = f"; all of its features from {facts.driver_text(whole)} on" if whole is not None else ""
        lines.append(f"- needs the NVIDIA driver {facts.driver_text(least)} or newer{all_of_it}")
    if tag is not None and facts.exists(tag) is False:
        lines.append(f"- **does not exist**; the nearest tag that does: `{facts.nearest_tag(tag)}`")
    elif tag is not None and facts.is_end_of_life(tag):
        lines.append(f"- **end of life**: no more fixes; `{facts.nearest_tag(tag)}` is maintained")
    return "\n".join(lines)


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39))}`"


def _wanted(kind: str, params: types.CodeActionParams) -> bool:
    """Whether an editor asked for this kind of action, or for one that it is a part of, or for all."""
    only = params.context.only
    if not only:
        return True
    asked = [one.value if isinstance(one, types.CodeActionKind) else one for one in only]
    return any(kind == one or kind.startswith(f"{one}.") or one == "" for one in asked)


def _overlap(one: types.Range, other: types.Range) -> bool:
    return _pair(one.start) <= _pair(other.end) and _pair(other.start) <= _pair(one.end)


def _holds(one: types.Range, at: types.Position) -> bool:
    return _pair(one.start) <= _pair(at) <= _pair(one.end)


def _pair(at: types.Position) -> tuple[int, int]:
    return at.line, at.character
