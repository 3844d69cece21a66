"""What the console withstands: forged and oversized requests, guessed passwords, stolen cookies, hostile data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from console import passwords
from console.web.guard import MOST_BYTES, POLICY
from engine.ledger import sign_in, users
from tests.console.story import flag, invoice
from tests.console.web.conftest import HOSTILE, PASSWORD, Place, Visitor, place_over


def form_of(someone: Visitor) -> str:
    """Return the token of the sign-in form; the cookie it is tied to stays with the visitor."""
    found = re.search(r'name="csrf" value="([^"]+)"', someone.get("/login").text)
    assert found is not None
    return found[1]


def tries(someone: Visitor, name: str, password: str) -> int:
    """Try to sign in; return the status."""
    form = {"csrf": form_of(someone), "name": name, "password": password}
    status: int = someone.client.post("/login", data=form).status_code
    return status


def test_signing_in_opens_a_session_that_scripts_and_other_sites_cannot_use(tmp_path: Path) -> None:
    with place_over(tmp_path, https=True) as place:
        place.person("ana", "qa_lead")
        someone = place.stranger()
        someone.client.base_url = "https://127.0.0.1"
        answer = someone.client.post("/login", data={"csrf": form_of(someone), "name": "ana", "password": PASSWORD})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-countersign=")
        for flag_ in ("HttpOnly", "SameSite=lax", "Secure", "Path=/"):
            assert flag_ in cookie
        assert answer.headers["strict-transport-security"]


def test_a_form_without_the_right_token_changes_nothing(place: Place) -> None:
    place.person("root", "admin")
    someone = place.visitor("root")
    form = {"name": "eve", "full_name": "Eve", "roles": "admin"}
    for token in ("", "guessed", None):
        sent = form if token is None else {**form, "csrf": token}
        assert someone.client.post("/users", data=sent).status_code == 403
    assert [user.name for user in users.listing(place.story.database)] == ["root"]
    assert someone.client.post("/users", data=form, headers={"x-csrf-token": someone.csrf}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"content-length": str(MOST_BYTES + 1)}, 413),
    ],
)
def test_requests_from_elsewhere_are_refused_before_anything_is_read(
    place: Place, headers: dict[str, str], status: int
) -> None:
    place.person("ana", "qa_lead")
    someone = place.visitor("ana")
    answer = someone.client.post("/logout", data={"csrf": someone.csrf}, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-security-policy"] == POLICY
    assert someone.get("/").status_code == 200, "still signed in"


def test_a_body_that_does_not_say_its_length_is_cut_off_all_the_same(place: Place) -> None:
    someone = place.visitor(place.person("ana", "qa_lead"))
    pieces = (b"reason=" + b"x" * 500_000 for _ in range(4))
    headers = {"content-type": "application/x-www-form-urlencoded", "x-csrf-token": someone.csrf}
    assert someone.client.post("/review/1", content=pieces, headers=headers).status_code == 413


def test_guessing_is_slowed_down_across_restarts_and_forgotten_in_time(place: Place) -> None:
    place.person("ana", "qa_lead")
    assert [tries(place.stranger(), "ana", "wrong") for _ in range(6)] == [401] * 5 + [429]
    place.__post_init__()  # another process
    assert tries(place.stranger(), "ana", PASSWORD) == 429, "also the right one has to wait"
    place.story.later(seconds=16)
    assert tries(place.stranger(), "ana", PASSWORD) == 303
    assert tries(place.stranger(), "ana", "wrong") == 401, "counted anew"


def test_a_name_that_does_not_exist_cannot_be_told_from_a_wrong_password(place: Place) -> None:
    place.person("ana", "qa_lead")
    said = []
    for name in ("ana", "nobody"):
        someone = place.stranger()
        answer = someone.client.post("/login", data={"csrf": form_of(someone), "name": name, "password": "x" * 12})
        said.append((answer.status_code, answer.text.replace(someone.client.cookies["form"], "").replace(name, "")))
    assert said[0] == said[1]


def test_a_session_ends_when_it_is_left_alone_too_old_revoked_or_its_user_disabled(place: Place) -> None:
    story = place.story
    place.person("ana", "qa_lead")
    place.person("root", "admin")

    def alive(someone: Visitor) -> bool:
        return someone.get("/account").status_code == 200

    idle = place.visitor("ana")
    story.later(minutes=59)
    assert alive(idle)
    story.later(minutes=61)
    assert not alive(idle)

    old = place.visitor("ana")
    for _ in range(14):
        story.later(minutes=55)
        last = alive(old)
    assert not last, "in use all the time, and still over after twelve hours"

    left = place.visitor("ana")
    assert left.post("/logout").status_code == 303
    assert not alive(left)

    elsewhere, here = place.visitor("ana"), place.visitor("ana")
    new = "another long passphrase"
    assert here.post("/account/password", present=PASSWORD, new=new, again=new).status_code == 303
    assert not alive(elsewhere)
    assert alive(here), "signed in anew by the change"

    users.disable(story.database, "ana", "root")
    assert not alive(here)


def test_a_password_that_somebody_else_knows_opens_nothing_but_its_change(place: Place) -> None:
    users.add(place.story.database, "new", "New", ["admin"], passwords.hashed(PASSWORD), "tests")
    someone = place.visitor("new")
    assert someone.get("/users").headers["location"] == "/account"
    assert someone.get("/account").status_code == 200


def test_hostile_data_is_inert_on_every_page_that_shows_it(place: Place) -> None:
    story = place.story
    users.add(story.database, "eve", HOSTILE[:199], ["qa_lead", "admin", "operator"], None, HOSTILE)
    place.person("ana", "qa_lead")
    story.open([invoice(1, supplier=HOSTILE, iban=HOSTILE, reference=f"{HOSTILE}/1"), invoice(2)])
    story.flags(flag("iban", expected=HOSTILE, observed=HOSTILE, code=HOSTILE))
    story.open([invoice(3, reference=f"{HOSTILE}/3")])
    pages = ["/", "/review", "/review/1", "/runs", "/runs/1", "/items/1", "/audit", f"/audit?actor={HOSTILE}"]
    someone = place.visitor("ana")
    pages += ["/runs?workflow=%3Cscript%3E", "/review?after=%3Cscript%3E~1&workflow=%3Cscript%3E", "/nothing"]
    for path in pages:
        text = someone.get(path).text
        assert "<script>document" not in text, path
        assert "<img src=x" not in text, path
        assert "\u202e" not in text, path
    shown = someone.get("/items/1").text
    assert "&lt;script&gt;document" in shown
    assert "{{7*7}}" in shown


def test_a_link_to_a_record_never_runs_anything(place: Place) -> None:
    story = place.story
    place.person("ana", "qa_lead")
    story.open(1)
    item_id = story.flags()
    import sqlalchemy as sa  # noqa: PLC0415 - only here: a hostile address that no bot of ours would keep

    with story.database.write() as connection:
        connection.execute(sa.text("update items set record_url = 'javascript:alert(1)'"))
        connection.execute(sa.text("update intents set url = 'javascript:alert(1)'"))
    someone = place.visitor("ana")
    for path in (f"/review/{item_id}", f"/items/{item_id}"):
        assert 'href="javascript:' not in someone.get(path).text


def test_evidence_is_shown_only_while_it_is_what_was_sealed(place: Place) -> None:
    story = place.story
    place.person("ana", "qa_lead")
    story.open(1)
    item_id = story.flags(screenshot=b"\xff\xd8 a picture")
    someone = place.visitor("ana")
    [picture] = re.findall(rf'src="(/items/{item_id}/evidence/\d+)"', someone.get(f"/review/{item_id}").text)
    answer = someone.get(picture)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert "sandbox" in answer.headers["content-security-policy"]
    [path] = story.evidence.root.rglob("record.jpg")
    path.write_bytes(b"\xff\xd8 another one")
    assert someone.get(picture).status_code == 404


def test_every_session_in_the_ledger_is_known_by_its_hash_only(place: Place) -> None:
    place.person("ana", "qa_lead")
    token = sign_in.open_session(place.story.database, "ana", address="", agent="")
    for row in sign_in.sessions_of(place.story.database, "ana"):
        assert token not in row.token_hash
