"""An editor on stdin and stdout in, findings, pages and fixes while somebody types out. Speaks to: that editor.

    server ── judging (a text → findings) ── answers (findings → what the protocol calls them)

The language server protocol over stdio; `seatrial lsp` starts it.
"""

from pipeline.lsp.server import serve

__all__ = ["serve"]
