"""Where an image's bytes are: by folder, file type and stage, the base's told from its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Some of an image's bytes. `own_bytes` of them are shipped by its own layers, the rest by its base's."""

    name: str
    bytes: int
    own_bytes: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Visible bytes by folder and by type, shipped bytes by stage. The most bytes first; folders in tree order."""

    folders: tuple[Share, ...]  # a folder before those in it, which its bytes contain; those of 1 % and more
    types: tuple[Share, ...]
    stages: tuple[Share, ...]  # base | the stage or image that a COPY --from names | final
