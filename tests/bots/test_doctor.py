"""The doctor starts the real browser, and names the mend for what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bots.browser import VARIABLE
from bots.doctor import browser_report


async def test_a_sound_machine_gets_a_browser_line_that_was_really_drawn(tmp_path: Path) -> None:
    report = {line.name: line for line in await browser_report(tmp_path)}
    assert list(report) == ["python", "playwright", "browser", "chinese font", "disk"]
    assert report["browser"].ok
    assert "drew a page" in report["browser"].detail
    assert all(line.ok or line.mend for line in report.values())


async def test_a_browser_that_cannot_start_is_named_with_its_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho libnss3.so is missing >&2\nexit 127\n", encoding="utf-8")
    broken.chmod(0o755)
    monkeypatch.setenv(VARIABLE, str(broken))
    line = next(line for line in await browser_report(tmp_path) if line.name == "browser")
    assert not line.ok
    assert "libnss3.so is missing" in line.detail
    assert "COUNTERSIGN_BROWSER" in line.mend
