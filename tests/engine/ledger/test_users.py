"""Users, sessions, throttles and claims keep their promises on both databases, also when many come at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from engine.errors import UserError
from engine.ledger import audit_log, claims, sign_in, users
from tests.engine.conftest import Bench


def test_a_name_is_given_to_one_person_for_good(bench: Bench) -> None:
    users.add(bench.database, "ana", "Ana", ["operator", "admin"], None, "setup")
    for name in ("ana", "Ana", "", "a b", "../x"):
        with pytest.raises(UserError):
            users.add(bench.database, name, "Other", ["operator"], None, "setup")
    with pytest.raises(UserError, match="there is no role 'boss'"):
        users.add(bench.database, "ben", "Ben", ["boss"], None, "setup")
    assert users.find(bench.database, "ana").roles == ("operator", "admin")


def test_the_last_admin_stays(bench: Bench) -> None:
    for name in ("ana", "ben"):
        users.add(bench.database, name, name, ["admin"], None, "setup")
    users.disable(bench.database, "ana", "ben")
    with pytest.raises(UserError, match="nobody would be admin"):
        users.disable(bench.database, "ben", "ben")
    with pytest.raises(UserError, match="nobody would be admin"):
        users.set_roles(bench.database, "ben", ["operator"], "ben")
    assert users.find(bench.database, "ben").disabled_at is None
    assert [entry.action for entry in audit_log.entries(bench.database)] == ["user.disable", "user.add", "user.add"]


def test_tries_at_the_same_moment_do_not_slip_through_together(bench: Bench) -> None:
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _: sign_in.try_once(bench.database, {"both": 3, "address": 100}), range(12)))
    assert waits.count(None) == 3
    bench.later(seconds=16)
    assert sign_in.try_once(bench.database, {"both": 3}) is None
    assert sign_in.try_once(bench.database, {"both": 3}) == timedelta(seconds=30), "twice as long"
    sign_in.forget(bench.database, ["both"])
    assert sign_in.try_once(bench.database, {"both": 3}) is None


def test_a_change_of_roles_ends_what_is_signed_in(bench: Bench) -> None:
    users.add(bench.database, "ana", "Ana", ["operator"], None, "setup")
    users.add(bench.database, "root", "Root", ["admin"], None, "setup")
    token = sign_in.open_session(bench.database, "ana", address="::1", agent="x" * 1000)
    assert sign_in.session(bench.database, token) is not None
    assert sign_in.session(bench.database, token + "x") is None
    users.set_roles(bench.database, "ana", ["qa_lead"], "root")
    assert sign_in.session(bench.database, token) is None


def test_one_of_many_gets_an_item_and_whoever_goes_away_lets_go(bench: Bench) -> None:
    bench.enqueue(1)

    def take(name: str) -> str:
        with bench.database.write() as connection:
            return claims.take(connection, bench.database, 1, name).reviewer

    with ThreadPoolExecutor(4) as pool:
        holders = set(pool.map(take, ("ana", "ben", "cem", "dan")))
    assert len(holders) == 1
    (holder,) = holders
    assert claims.held(bench.database, but_of=holder) == {}
    bench.later(minutes=6)
    assert take("eve") == "eve"
    with bench.database.write() as connection:
        claims.release(connection, 1, "eve")
    assert claims.held(bench.database) == {}


@pytest.mark.parametrize("backend", ["postgresql"])
def test_an_item_that_is_let_go_of_just_now_is_taken(bench: Bench) -> None:
    bench.enqueue(1)
    database, asked = bench.database, list[str]()
    with database.write() as connection:
        claims.take(connection, database, 1, "ana")

    def let_go(*call: Any) -> None:
        """Let go of it between the insert that finds it held and the look at who holds it."""
        asked.append(call[2])
        if len(asked) == 1:
            with database.write() as other:
                claims.release(other, 1, "ana")

    with database.write() as connection:
        sa.event.listen(connection, "after_cursor_execute", let_go)
        assert claims.take(connection, database, 1, "ben").reviewer == "ben"
