"""lsp: the language server that an editor starts."""

from __future__ import annotations

from pathlib import Path

from invoke import Context

from pipeline.tasks.shared import expected_errors, task


@task(
    help={
        "policy": "another policy.yaml than the workspace's",
        "own_rules": "also run the Python rules that the policy names; only for workspaces that you trust",
    }
)
def lsp(c: Context, policy: str = "", own_rules: bool = False) -> None:
    """Serve an editor: findings while you type, pages on hover, fixes as actions.

    The language server protocol over stdin and stdout. Let the editor start `seatrial lsp` for its Dockerfiles.
    """
    with expected_errors():
        from pipeline.lsp import serve

        serve(Path(policy) if policy else None, run_own=own_rules)
