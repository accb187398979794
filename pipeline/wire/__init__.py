"""An image's layers in, what they cost between registry and node out. Speaks to: nothing.

`costs` is the whole of it: `pull` predicts seconds, `limits` names what an engine or a registry refuses, `splits`
finds a layer that would pull faster in parts, `as_zstd` what zstd would send, `push.code_change` what a change of the
code sends again.
"""

from pipeline.wire.costs import costs
from pipeline.wire.limits import limits
from pipeline.wire.pull import DEFAULT, blobs, pull
from pipeline.wire.splits import splits
from pipeline.wire.zstd import as_zstd

__all__ = ["DEFAULT", "as_zstd", "blobs", "costs", "limits", "pull", "splits"]
