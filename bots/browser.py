"""Find a Chromium, start it so that it reaches the allowed hosts only, and say what to do when there is none."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import playwright as playwright_package
from playwright.async_api import Browser, Playwright
from playwright.async_api import Error as PlaywrightError

from engine.errors import SystemException, UserError

Kind = Literal["headless shell", "chromium", "chrome", "chosen"]

VARIABLE = "COUNTERSIGN_BROWSER"
"""Environment variable that names the browser's executable and goes before everything else."""

_SHELLS: tuple[tuple[str, Kind], ...] = (("chromium-headless-shell", "headless shell"),)
_FULL: tuple[tuple[str, Kind], ...] = (
    ("chromium", "chromium"),
    ("google-chrome", "chrome"),
    ("chromium-browser", "chromium"),
)
_QUIET = (
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9*_.-]+")


@dataclass(frozen=True)
class BrowserChoice:
    """The browser that will be started; `path` is None for Playwright's own download."""

    path: str | None
    kind: Kind
    how: str
    """Where it was found, for people: a variable, Playwright's download, or PATH."""

    @property
    def version(self) -> str:
        """Ask the executable for its version, e.g. `156.0.8078.79`; empty when it does not say (0.2-0.6 s)."""
        if self.path is None:
            return _own_browsers().get(_own_name(self.kind), ("", ""))[1]
        try:
            done = subprocess.run([self.path, "--version"], capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        found = re.search(r"\d+(?:\.\d+){2,3}", done.stdout)
        return found[0] if found else ""


def find_browser(prefer_shell: bool = True) -> BrowserChoice:
    """Return the first of: the variable COUNTERSIGN_BROWSER, Playwright's own download, a Chromium on PATH.

    Args:
        prefer_shell: take a headless shell where there is one (up to 1.8 times faster); False when a window is wanted.

    Raises:
        UserError: there is none, or the variable names no executable.
    """
    named = os.environ.get(VARIABLE, "").strip()
    if named:
        path = shutil.which(named)
        if path is None:
            raise UserError(f"{VARIABLE} names {named!r}, which is not an executable file; correct it or unset it")
        return BrowserChoice(path, "headless shell" if "headless" in Path(path).name else "chosen", VARIABLE)
    kinds: tuple[Kind, ...] = ("headless shell", "chromium") if prefer_shell else ("chromium",)
    for kind in kinds:
        if _own_is_complete(kind):
            return BrowserChoice(None, kind, "Playwright's own download")
    for name, kind in (*_SHELLS, *_FULL) if prefer_shell else _FULL:
        path = shutil.which(name)
        if path is not None:
            return BrowserChoice(path, kind, f"{name} on PATH")
    raise UserError(_none_found(prefer_shell))


def launch_args(allowed_hosts: Iterable[str], as_root: bool | None = None) -> list[str]:
    """Return the switches that keep the browser quiet and let it resolve `allowed_hosts` only, IP literals included.

    The rules bind the browser, not Playwright's own HTTP client; the single-send guard asks `host_allowed` for that.
    A proxy from the environment resolves names beyond these rules, so unless its host is allowed too nothing goes.

    Raises:
        UserError: an entry is no host name, address or `*.domain`.
    """
    root = (hasattr(os, "geteuid") and os.geteuid() == 0) if as_root is None else as_root
    excluded = [f"EXCLUDE {host}" for host in _checked(allowed_hosts)]
    rules = ", ".join(["MAP * ~NOTFOUND", *excluded])
    sandbox = ["--no-sandbox"] if root else []  # Chromium refuses to start its sandbox as root
    return [*sandbox, *_QUIET, f"--host-resolver-rules={rules}"]


def host_allowed(host: str, allowed_hosts: Iterable[str]) -> bool:
    """Say whether `host` is one of `allowed_hosts`; `*.example.org` stands for every name below example.org."""
    plain = host.strip("[]").lower().rstrip(".")
    for entry in allowed_hosts:
        wanted = entry.strip("[]").lower().rstrip(".")
        if plain == wanted or (wanted.startswith("*.") and plain.endswith(wanted[1:])):
            return True
    return False


async def launch(
    playwright: Playwright,
    choice: BrowserChoice,
    *,
    allowed_hosts: Iterable[str],
    headless: bool = True,
    timeout_ms: float = 30_000,
) -> Browser:
    """Start the browser.

    Raises:
        UserError: an allowed host is not one.
        SystemException: `browser_not_started`, with the browser's own last words.
    """
    args = launch_args(allowed_hosts)
    try:
        return await playwright.chromium.launch(
            executable_path=choice.path, headless=headless, args=args, timeout=timeout_ms
        )
    except PlaywrightError as error:
        words = _last_words(error.message)
        raise SystemException("browser_not_started", f"{choice.kind} ({choice.how}) did not start: {words}") from error


def _last_words(message: str) -> str:
    """Keep what the browser itself wrote; Playwright's log around it is mostly a screenful of switches."""
    lines = message.splitlines() or [""]
    own = [line.rpartition("[err]")[2].strip() for line in lines if "[err]" in line]
    return " / ".join([lines[0].strip(), *own[-3:]])[:600]


def _checked(hosts: Iterable[str]) -> list[str]:
    kept = list(dict.fromkeys(hosts))
    for host in kept:
        if not _HOST.fullmatch(host):
            raise UserError(f"{host!r} in allowed_hosts is not a host; write it without scheme, port and path")
    return kept


def _own_name(kind: Kind) -> str:
    return "chromium-headless-shell" if kind == "headless shell" else "chromium"


def _own_browsers() -> dict[str, tuple[str, str]]:
    """Return name -> (revision, version) of the browsers that this Playwright would download."""
    listing = Path(playwright_package.__file__).parent / "driver" / "package" / "browsers.json"
    try:
        entries = json.loads(listing.read_text(encoding="utf-8"))["browsers"]
    except (OSError, ValueError, KeyError):
        return {}
    return {entry["name"]: (entry["revision"], entry.get("browserVersion", "")) for entry in entries}


def _own_is_complete(kind: Kind) -> bool:
    name = _own_name(kind)
    revision = _own_browsers().get(name, ("", ""))[0]
    folder = _download_folder() / f"{name.replace('-', '_')}-{revision}"
    return bool(revision) and (folder / "INSTALLATION_COMPLETE").is_file()


def _download_folder() -> Path:
    chosen = os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "")
    if chosen == "0":
        return Path(playwright_package.__file__).parent / "driver" / "package" / ".local-browsers"
    if chosen:
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ms-playwright"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home() / "AppData" / "Local"))) / "ms-playwright"
    return Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "ms-playwright"


def _none_found(prefer_shell: bool) -> str:
    name = "chromium-headless-shell" if prefer_shell else "chromium"
    return (
        f"no Chromium found: neither {VARIABLE}, nor Playwright's download, nor one on PATH. Run `make setup`, or "
        f"`python -m playwright install {name}`, or `apt-get install {name}`, or set {VARIABLE} to its executable"
    )
