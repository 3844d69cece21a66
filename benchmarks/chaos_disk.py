"""A disk for the evidence that can be made full: a file system in memory whose size is cut to what it holds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Self

_SIZE = "2g"


class SmallDisk:
    """Use as a context manager around a folder; without the right to mount (root on Linux) it never gets full."""

    def __init__(self, folder: Path) -> None:
        """Prepare; nothing is mounted before `with`."""
        self.folder = folder
        self.mounted = False

    def __enter__(self) -> Self:
        """Mount, if we may."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if sys.platform == "linux" and os.geteuid() == 0 and shutil.which("mount"):
            self.mounted = _run("mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(self.folder))
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the file system and all that is on it."""
        if self.mounted and not _run("umount", str(self.folder)):
            _run("umount", "-l", str(self.folder))
        self.mounted = False

    def fill(self) -> bool:
        """Leave no room; False if that did not come about."""
        page = os.sysconf("SC_PAGESIZE")
        for spare in (0, 1, 4, 16, 64):  # somebody may be writing meanwhile
            state = os.statvfs(self.folder)
            used = (state.f_blocks - state.f_bfree) * state.f_frsize + spare * page
            if self.mounted and _run("mount", "-o", f"remount,size={used}", str(self.folder)):
                return True
        return False

    def empty(self) -> None:
        """Give the room back."""
        if self.mounted:
            _run("mount", "-o", f"remount,size={_SIZE}", str(self.folder))


def _run(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
