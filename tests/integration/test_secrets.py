"""The canary: one password, every way a run can end, and every byte that is left searched for it in every form."""

from __future__ import annotations

import base64
import html
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from fixtures.portal.server import PortalServer
from tests.integration.house import Ended, Terminal, definition, invoices

CANARY = 'Kanarie/9 "vogel" & <Ü+?秘密>%7'
WRONG = 'Wrong/9 "vogel" & <Ü+?秘密>%7'


def forms(secret: str) -> dict[str, bytes]:
    """Return the forms in which a secret travels; written out here, so that the redactor does not check itself."""
    data = secret.encode()
    texts = {
        "plain": secret,
        "url": quote(secret, safe=""),
        "url, lower case": quote(secret, safe="").replace("%C3%9C", "%c3%9c").replace("%22", "%22"),
        "form": quote_plus(secret),
        "html": html.escape(secret),
        "json": json.dumps(secret)[1:-1],
        "json utf-8": json.dumps(secret, ensure_ascii=False)[1:-1],
        "json twice": json.dumps(json.dumps(secret))[3:-3],
        "form in json": json.dumps(quote_plus(secret))[1:-1],
        "python": repr(secret)[1:-1],
        **{f"base64 at {shift}": _base64_core(b"x" * shift + data, shift) for shift in range(3)},
        **{f"base64url at {shift}": _base64_core(b"x" * shift + data, shift, url=True) for shift in range(3)},
        "hex": data.hex(),
    }
    return {name: text.encode() for name, text in texts.items()} | {"utf-16": secret.encode("utf-16-le")}


def _base64_core(data: bytes, shift: int, *, url: bool = False) -> str:
    encoded = (base64.urlsafe_b64encode if url else base64.b64encode)(data).decode().rstrip("=")
    return encoded[4 if shift else 0 : -2]


def leaks(folder: Path, said: str, secret: str) -> list[str]:
    """Return where a secret stands, in which form: in any file, inside archives, and in what was printed."""
    wanted = forms(secret)
    found = []
    for place, data in [("terminal", said.encode()), *_files(folder)]:
        found += [f"{place}: {name}" for name, needle in wanted.items() if needle in data]
    return found


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            yield path.relative_to(folder).as_posix(), data
            yield from _members(path.name, data)


def _members(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                inner = archive.read(info)
                yield f"{name}!{info.filename}", inner
                yield from _members(info.filename, inner)


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalServer]:
    """Return a portal whose password is the canary."""
    with PortalServer(tmp_path_factory.mktemp("canary") / "portal.db", password=CANARY) as server:
        yield server


Story = Callable[[Path, PortalServer, Terminal], Ended]


def started(
    folder: Path,
    portal: PortalServer,
    shell: Terminal,
    *options: str,
    count: int = 1,
    app: dict[str, str] | None = None,
    steps: dict[str, str] | None = None,
) -> Ended:
    """Run `count` new invoices with a changed definition, with every log line shown."""
    invoices(folder / "source", count)
    hurry = {"timeout: 5s": "timeout: 2s"}, {"attempts: 4": "attempts: 2"}
    path = definition(folder / "definitions", app=hurry[0] | (app or {}), steps=hurry[1] | (steps or {}))
    source = folder / "source" / "invoices.csv"
    return shell("-v", "run", path, "--source", source, "--base-url", portal.url, "--slots", "1", *options)


def success(folder: Path, portal: PortalServer, shell: Terminal) -> Ended:
    """Every item passes."""
    done = started(folder, portal, shell)
    assert done.code == 0, done.err
    return done


def wrong_password(folder: Path, portal: PortalServer, shell: Terminal) -> Ended:
    """The login is refused; both passwords have to stay hidden."""
    refused = portal.logins()["refused"]
    shell = Terminal(shell.home, {"COUNTERSIGN_SECRET_ERP_PASSWORD": WRONG})
    done = started(folder, portal, shell, count=4)
    assert done.code == 1, done.err
    assert portal.logins()["refused"] - refused == 2, "an application locks the account after three to five"
    assert leaks(shell.home, done.out + done.err, WRONG) == []
    return done


def broken_login_page(folder: Path, portal: PortalServer, shell: Terminal) -> Ended:
    """The password was typed; the button is not there."""
    done = started(folder, portal, shell, app={"click: {button: Sign in}": "click: {button: Enter}"})
    assert done.code == 1, done.err
    assert "'Enter'" in done.out + done.err
    return done


def password_field_missing(folder: Path, portal: PortalServer, shell: Terminal) -> Ended:
    """The field of the password bears another name."""
    done = started(folder, portal, shell, app={"Password:": "Pass phrase:"})
    assert done.code == 1, done.err
    assert "Pass phrase" in done.out + done.err
    return done


def unknown_commit(folder: Path, portal: PortalServer, shell: Terminal) -> Ended:
    """The answer is lost and the record is stored wrong: a trace is kept."""
    portal.faults([{"fault": "cut_after_commit"}, {"fault": "truncate_field", "field": "IBAN"}])
    done = started(folder, portal, shell)
    assert done.code == 1, done.err
    # the supplier is no secret: that it is found shows that the search sees all that a run leaves
    supplier = invoices(folder / "again", 1)[0]["supplier"]
    places = {hit.partition(":")[0].partition("!")[0] for hit in leaks(shell.home, done.out + done.err, supplier)}
    assert {"ledger.db", "logs/countersign.jsonl", "trace.zip", "reports/run-000001.html"} <= places
    return done


def failing_step(folder: Path, portal: PortalServer, shell: Terminal) -> Ended:
    """A step fails after the login, each time with a trace."""
    done = started(folder, portal, shell, steps={'      Total: "${item': '      Grand total: "${item'})
    assert done.code == 1, done.err
    assert list((shell.home / "evidence").rglob("trace.zip"))
    return done


def typed_into_a_record(folder: Path, portal: PortalServer, shell: Terminal) -> Ended:
    """The definition types the secret into a field that the application shows again."""
    portal.faults([{"fault": "truncate_field", "field": "IBAN"}])
    note = '      Total: "${item.total}"\n      Note: "${secret:erp_password}"\n'
    done = started(folder, portal, shell, steps={'      Total: "${item.total}"\n': note})
    assert done.code == 1, done.err
    assert portal.records()[-1]["fields"]["Note"] == CANARY, "the secret was meant to arrive"
    assert list(shell.home.rglob("*.jpg")) == [], "every page that could be pictured showed it"
    return done


def dry_run(folder: Path, portal: PortalServer, shell: Terminal) -> Ended:
    """What would be sent is printed."""
    note = '      Total: "${item.total}"\n      Note: "${secret:erp_password}"\n'
    done = started(folder, portal, shell, "--dry-run", steps={'      Total: "${item.total}"\n': note})
    assert done.code == 0, done.err
    assert "this would be sent; nothing left" in done.out
    return done


STORIES: list[Story] = [
    success,
    wrong_password,
    broken_login_page,
    password_field_missing,
    unknown_commit,
    failing_step,
    typed_into_a_record,
    dry_run,
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_no_byte_of_the_password_is_left(story: Story, portal: PortalServer, tmp_path: Path) -> None:
    portal.reset()
    shell = Terminal(tmp_path / "home", {"COUNTERSIGN_SECRET_ERP_PASSWORD": CANARY})
    done = story(tmp_path, portal, shell)
    assert "Traceback" not in done.err
    assert leaks(shell.home, done.out + done.err, CANARY) == []


@pytest.mark.parametrize("form", forms(CANARY))
def test_the_search_finds_every_form(form: str, tmp_path: Path) -> None:
    needle = forms(CANARY)[form]
    with zipfile.ZipFile(tmp_path / "trace.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("network.txt", b"before" + needle + b"after")
    (tmp_path / "ledger.db-wal").write_bytes(b"\x00\xff" + needle)
    hits = leaks(tmp_path, "", CANARY)
    assert f"trace.zip!network.txt: {form}" in hits
    assert f"ledger.db-wal: {form}" in hits
