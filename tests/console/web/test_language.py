"""Every text of every page is there in every language, and nothing else is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

import console.web
from console.web.language import LANGUAGES, chosen, po_files
from console.web.pages import today
from tests.console.web.conftest import Place

FOLDER = Path(console.web.__file__).parent
CALLS = {"_": None, "N_": None, "say": None, "ngettext": (1, 2)}
Message = str | tuple[str, ...]


def texts() -> Iterator[Message]:
    """Yield every text that a page may show."""
    for kind, pattern in (("python", "**/*.py"), ("jinja2", "templates/*.html")):
        for path in sorted(FOLDER.glob(pattern)):
            with path.open("rb") as file:
                for _, message, _, _ in extract(kind, file, CALLS, (), {}):
                    yield message


def catalog(code: str) -> dict[Message, list[str]]:
    """Return a language's texts with all their plural forms."""
    found: dict[Message, list[str]] = {}
    for path in po_files(code):
        with path.open("rb") as file:
            for message in read_po(file, locale=code):
                if message.id:
                    key = tuple(message.id) if isinstance(message.id, (list, tuple)) else message.id
                    assert key not in found, f"{path.name}: {key!r} stands in two catalogs"
                    said = message.string
                    found[key] = [said] if isinstance(said, str) else list(said or ("",))
    return found


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_a_language_has_every_text_and_no_other(code: str) -> None:
    known, wanted = catalog(code), set(texts())
    assert sorted(map(str, wanted - set(known))) == [], "not translated"
    assert sorted(map(str, set(known) - wanted)) == [], "translated, but nowhere shown"
    for message, forms in known.items():
        parts = set(re.findall(r"%\(\w+\)s", message if isinstance(message, str) else message[-1]))
        for form in forms:
            assert form, message
            assert set(re.findall(r"%\(\w+\)s", form)) == parts, message


@pytest.mark.parametrize(
    ("wanted", "accept", "code"),
    [
        ("zh_Hans", "en", "zh_Hans"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh_Hans"),
        (None, "de-DE,de;q=0.9,en;q=0.5", "en"),
        (None, "", "en"),
        ("xx", "*;q=oops", "en"),
    ],
)
def test_a_page_is_in_the_language_that_was_chosen_or_asked_for(wanted: str | None, accept: str, code: str) -> None:
    assert chosen(wanted, accept) == code


def test_a_person_reads_pages_numbers_and_days_as_at_home(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(today, "_LOOKS", 0)
    ana = place.visitor(place.person("ana", "qa_lead", "admin"))
    place.story.open(1)
    place.story.flags()
    saved = ana.post("/account/preferences", language="zh_Hans", theme="dark", timezone="Asia/Shanghai")
    assert saved.status_code == 303
    for path in ("/", "/review", "/review/1", "/runs", "/runs/1", "/items/1", "/audit", "/users", "/account"):
        page = ana.get(path)
        assert page.status_code == 200, path
        assert '<html lang="zh-Hans" data-theme="dark">' in page.text
    assert "2026年1月2日" in ana.get("/items/1").text
    assert "2026-01-05 16:00:00" in ana.get("/runs/1").text
