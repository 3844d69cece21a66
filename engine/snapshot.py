"""The texts that a run pins."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Snapshot:
    """The texts a run pins, so that an edited file never changes a running item."""

    workflow_path: str
    workflow_text: str
    app_path: str
    app_text: str
    base_url: str | None
    """Replaces the profile's base_url, e.g. for a test system."""
    params: dict[str, str]
    followed: dict[str, str] = field(default_factory=dict)
    """Path to text of the files of the workflow that follows."""

    @property
    def files(self) -> dict[str, str]:
        """Return path to text of every file."""
        return {self.workflow_path: self.workflow_text, self.app_path: self.app_text, **self.followed}

    @property
    def hash(self) -> str:
        """Return the SHA-256 over the texts and the overrides."""
        overrides = "\0".join(f"{key}={value}" for key, value in sorted(self.params.items()))
        parts = (self.workflow_text, self.app_text, self.base_url or "", overrides, *self.followed.values())
        return hashlib.sha256("\0\0".join(parts).encode()).hexdigest()
