"""Who may use what, asked of the router itself: a page that forgets to say so does not start."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from console.web import app as app_module
from console.web.pages import today
from console.web.routes import SAFE, Routes, declared
from engine.ledger.users import ROLES
from tests.console.web.conftest import Place


def test_every_route_lets_in_the_roles_it_names_and_nobody_else(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(today, "_LOOKS", 0)
    place.story.open(1)
    place.story.flags()
    for role in ROLES:
        place.person(role.replace("_", "-"), role)
    wrong = []
    for (method, path), allowed in place.app.state.declared.items():
        for role in ROLES:
            someone = place.visitor(role.replace("_", "-"))
            aim = re.sub(r"\{[^}]*\}", "1", path)
            answer = someone.get(aim) if method in SAFE else someone.post(aim)
            if (answer.status_code == 403) is (not allowed or role in allowed):
                wrong.append((method, path, role, answer.status_code))
            assert answer.status_code < 500, (method, path, role)
            assert "default-src 'none'" in answer.headers["content-security-policy"] or "evidence" in path
    assert wrong == []


def test_nothing_but_the_door_is_open_to_strangers(place: Place) -> None:
    for (method, path), allowed in place.app.state.declared.items():
        someone = place.stranger()
        aim = re.sub(r"\{[^}]*\}", "1", path)
        answer = someone.get(aim) if method in SAFE else someone.post(aim)
        if allowed:
            assert (answer.status_code, answer.headers.get("location")) == (303, "/login"), (method, path)
        else:
            assert path in {"/login", "/healthz", "/readyz"}


def _plain(place: Place) -> None:
    place.app.get("/secret")(lambda: "told")


def _mounted(place: Place) -> None:
    place.app.mount("/other", place.stranger().client.app)


@pytest.mark.parametrize("add", [_plain, _mounted])
def test_a_route_that_does_not_say_who_may_use_it_stops_the_start(place: Place, add: Callable[[Place], None]) -> None:
    add(place)
    with pytest.raises(RuntimeError, match="does not say who may use it"):
        declared(place.app)


def test_a_page_module_is_reached_only_through_its_declared_routes() -> None:
    assert all(isinstance(page.routes, Routes) and page.routes.all for page in app_module.PAGES)
