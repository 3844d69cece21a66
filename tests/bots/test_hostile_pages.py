"""Pages that would make a naive bot lose, double or leak something."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bots.hands import BrowserHands
from bots.office import BotOffice
from engine.definition import ListAudit, Workflow
from engine.errors import NotSent, SystemException, UnknownOutcome
from engine.ports import Found
from engine.redact import Redactor
from engine.secrets import SecretStore
from engine.values import FieldSpec
from tests.bots.house import Pages, application, item, step, steps, workflow

pytestmark = pytest.mark.asyncio(loop_scope="session")
LIMIT = timedelta(seconds=4)
CANARY = "canary-0815-secret"
KEY = {"number": FieldSpec(type="text")}
SAVE: dict[str, Any] = {"click": {"button": "Save"}, "confirm": {"text": "Saved"}, "in_doubt": "review"}


def allow() -> None:
    """Permit every send."""


async def opened(
    office: BotOffice,
    pages: Pages,
    slot: int,
    folder: Path,
    body: str,
    *,
    fields: Mapping[str, FieldSpec] | None = None,
    audit: ListAudit | None = None,
    **raw: Any,
) -> BrowserHands:
    pages.show(body)
    fields = fields or {}
    hands = await office.hands(workflow(application(pages.url, timeout=2.5), fields=fields, audit=audit), slot)
    await hands.begin(item(fields, folder, raw))
    await hands.perform(step("open", "/"))
    return hands


def table(*rows: str, head: str = "<th>Supplier<th>Number") -> str:
    return f"<table><thead><tr>{head}</thead><tbody>{''.join(f'<tr>{row}' for row in rows)}</tbody></table>"


async def looked(hands: BrowserHands, **find: Any) -> Found:
    where = {"open": "/list", "row": {"Number": "${item.number}"}, **find}
    return await hands.find(step("commit", {**SAVE, "in_doubt": None, "find": where}))


async def test_saved_shown_before_the_answer_waits_for_the_answer(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    body = "<p id=p></p><button onclick=\"p.textContent='Saved'; fetch('{}',{{method:'POST'}})\">Save</button>"
    hands = await opened(office, pages, slot, tmp_path, body.format("/save?ms=400"))
    pages.show("", "/save")
    receipt = await hands.send(step("commit", SAVE), allow, LIMIT)
    assert [request.status for request in receipt.requests] == [200]
    await hands.perform(step("open", "/"))
    pages.show(body.format("/nowhere?ms=300"))
    await hands.perform(step("open", "/"))
    with pytest.raises(UnknownOutcome):
        await hands.send(step("commit", SAVE), allow, LIMIT)


async def test_a_complaint_while_the_commit_is_under_way_rejects_nothing(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    body = (
        "<form method=post action='/save?ms=700' target=f><button>Save</button></form><iframe name=f></iframe>"
        "<div id=d></div><script>document.forms[0].onsubmit = () => setTimeout(() => {"
        " d.innerHTML = '<p role=alert>This takes longer than usual</p>'; }, 60)</script>"
    )
    hands = await opened(office, pages, slot, tmp_path, body)
    pages.show("", "/save")
    with pytest.raises(UnknownOutcome):
        await hands.send(step("commit", {**SAVE, "rejected": {"role": "alert"}}), allow, timedelta(seconds=0.6))


async def test_a_page_that_strays_after_a_click_that_sent_nothing_sends_nothing_either(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await opened(
        office, pages, slot, tmp_path, "<button onclick=\"setTimeout(() => location = '/auto', 1200)\">Save</button>"
    )
    pages.show(
        "<p id=p>Open</p><script>fetch('/save', {method: 'POST'})"
        ".then(() => p.textContent = 'Sent', () => p.textContent = 'Held')</script>",
        "/auto",
    )
    pages.show("", "/save")
    with pytest.raises(NotSent):
        await hands.send(step("commit", SAVE), allow, timedelta(seconds=0.5))
    await hands.perform(step("wait_for", "Held"))
    assert pages.posted == []
    await hands.perform(step("open", "/auto"))
    await hands.perform(step("wait_for", "Sent"))


async def test_an_empty_box_is_no_rejection(office: BotOffice, pages: Pages, slot: int, tmp_path: Path) -> None:
    hands = await opened(office, pages, slot, tmp_path, "<form method=post action=/save><button>Save</button></form>")
    pages.show(
        "<div role=alert style='height:20px'></div><p id=p></p>"
        "<script>setTimeout(() => { p.textContent = 'Saved'; }, 300)</script>",
        "/save",
    )
    receipt = await hands.send(step("commit", {**SAVE, "rejected": {"role": "alert"}}), allow, LIMIT)
    assert len(receipt.requests) == 1


async def test_a_sign_of_emptiness_beside_a_full_list_hides_no_record(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await opened(office, pages, slot, tmp_path, "", fields=KEY, number="A-1")
    pages.show(f"{table('<td>Acme<td><a href=/r>A-1</a>')}<aside>No records</aside>", "/list")
    pages.show("", "/r")
    assert await looked(hands, empty="No records") == Found(1, f"{pages.url}/r")
    pages.show("<p>No records</p>", "/list")
    assert await looked(hands, empty="No records") == Found(0)


async def test_a_list_that_shows_only_some_of_its_rows_proves_no_absence(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await opened(office, pages, slot, tmp_path, "", fields=KEY, number="A-9")
    pages.show(table("<td>Acme<td>A-1").replace("<table", "<table aria-rowcount=300"), "/list")
    with pytest.raises(SystemException) as caught:
        await looked(hands)
    assert caught.value.code == "list_incomplete"


async def test_a_list_whose_cells_span_rows_is_not_misread(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await opened(office, pages, slot, tmp_path, "", fields=KEY, number="A-2")
    pages.show(table("<td rowspan=2>Acme<td>A-1", "<td>A-2"), "/list")
    with pytest.raises(SystemException) as caught:
        await looked(hands)
    assert caught.value.code == "list_irregular"


@pytest.mark.parametrize("shown", ["a-2", "A 2", "Ａ-2"])
async def test_a_key_that_differs_only_in_its_writing_forbids_a_second_send(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path, shown: str
) -> None:
    hands = await opened(office, pages, slot, tmp_path, "", fields=KEY, number="A-2")
    pages.show(table(f"<td>Acme<td>{shown}"), "/list")
    assert await looked(hands) == Found(0, alike=1)


async def test_a_list_that_may_be_cached_is_asked_for_anew(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await opened(office, pages, slot, tmp_path, "", fields=KEY, number="A-2")
    pages.show(table("<td>Acme<td>A-1"), "/kept")
    assert await looked(hands, open="/kept") == Found(0)
    await hands.perform(step("open", "/"))
    pages.show(table("<td>Acme<td>A-2"), "/kept")
    assert (await looked(hands, open="/kept")).count == 1


async def test_the_run_audit_follows_the_lists_own_paging_and_types_empty_keys(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    fields = {"number": FieldSpec(type="text"), "due": FieldSpec(type="date")}
    audit = ListAudit.model_validate({"open": "/list", "key": {"Number": "${item.number}", "Due": "${item.due}"}})
    hands = await opened(office, pages, slot, tmp_path, "", fields=fields, audit=audit, number="A-1")
    head = "<th>Number<th>Due"
    pages.show(table("<td>A-1<td>", head=head) + "<a rel=next href=/more>Next</a>", "/list")
    pages.show(table("<td>A-2<td>05.11.2026", head=head), "/more")
    views = [
        item(fields, tmp_path, {"number": "A-1"}, 1),
        item(fields, tmp_path, {"number": "A-2", "due": "2026-11-05"}, 2),
    ]
    assert await hands.listed(views) == {1: 1, 2: 1}


COMBO = (
    '<label>Supplier <input role=combobox id=s oninput="o.hidden = false"></label>'
    "<div id=o hidden role=option onclick=\"s.value = 'Acme'; o.hidden = true; t.value = '30 days'\">Acme</div>"
    "<label>Terms <input id=t></label>"
)


async def test_fields_are_filled_in_the_order_of_the_definition(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await opened(office, pages, slot, tmp_path, COMBO)
    await hands.perform(step("fill", {"Supplier": "Acme", "Terms": "60 days"}))
    assert await hands.bot.page.input_value("#t") == "60 days"
    await hands.perform(step("open", "/"))
    with pytest.raises(SystemException) as caught:
        await hands.perform(step("fill", {"Terms": "60 days", "Supplier": "Acme"}))
    assert caught.value.code == "field_not_kept"


async def test_a_form_that_asks_before_it_is_left_does_not_hold_the_slot(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    body = "<button>Edit</button><script>onbeforeunload = (event) => event.preventDefault()</script>"
    hands = await opened(office, pages, slot, tmp_path, body)
    await hands.perform(step("click", {"button": "Edit"}))
    pages.show("<p>Next</p>", "/next")
    await hands.perform(step("open", "/next"))
    await hands.perform(step("expect", "Next"))


async def test_a_dialog_is_accepted_by_the_click_that_says_so_and_by_no_later_one(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    body = "<button onclick=\"confirm('Sure?') && fetch('/save',{method:'POST'}).then(() => p.textContent='Saved')\">"
    hands = await opened(office, pages, slot, tmp_path, f"{body}Save</button><p id=p></p>")
    pages.show("", "/save")
    await hands.send(step("commit", {**SAVE, "dialog": "accept"}), allow, LIMIT)
    assert not await hands.bot.page.evaluate("confirm('Delete all?')")


async def test_a_page_that_opens_files_of_this_machine_is_refused(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    secret = tmp_path / "env.txt"
    secret.write_text("token", encoding="utf-8")
    hands = await opened(office, pages, slot, tmp_path, "", fields=KEY, number="A-1")
    pages.show(table(f"<td>Acme<td><a href='{secret.as_uri()}'>A-1</a>"), "/list")
    with pytest.raises(SystemException) as caught:
        await looked(hands)
    assert caught.value.code == "foreign_address"
    assert hands.bot.page.url.startswith("http")


def secretive(redactor: Redactor) -> BotOffice:
    environ = {"COUNTERSIGN_SECRET_PIN": CANARY}
    return BotOffice(redactor=redactor, secrets=SecretStore(redactor, environ=environ, keyring=lambda _name: None))


async def test_a_secret_in_a_frame_a_title_or_an_address_gets_into_no_picture_and_no_message(
    pages: Pages, slot: int, tmp_path: Path
) -> None:
    redactor = Redactor()
    async with secretive(redactor) as office:
        hands = await opened(office, pages, slot, tmp_path, f"<iframe srcdoc='<p>{CANARY}</p>'></iframe>")
        assert hands.bot.scope.secrets("pin")
        assert not await hands.capture(tmp_path / "leak.jpg")
        pages.show(f"<script>document.title = '{CANARY}'</script>", "/in")
        await hands.perform(step("open", f"/in?p={CANARY}"))
        with pytest.raises(SystemException) as caught:
            await hands.perform(step("expect", "Nothing", limit=0.4))
        assert caught.value.code == "element_missing"
        assert CANARY not in caught.value.message + str(caught.value)
        with pytest.raises(SystemException) as caught:
            await hands.perform(step("open", f"/none?p={CANARY}"))
        assert caught.value.code == "page_error"
        assert CANARY not in caught.value.message + str(caught.value)


async def test_a_secret_never_lands_in_a_field_that_took_the_cursor_away(
    pages: Pages, slot: int, tmp_path: Path
) -> None:
    body = (
        "<label>Note <input id=n></label><label>Pin <input id=pin></label>"
        "<script>pin.onfocus = () => queueMicrotask(() => n.focus())</script>"
    )
    async with secretive(Redactor()) as office:
        hands = await opened(office, pages, slot, tmp_path, body)
        with pytest.raises(SystemException) as caught:
            await hands.perform(step("fill", {"Pin": "${secret:pin}"}))
        assert caught.value.code == "field_not_kept"
        assert await hands.bot.page.input_value("#n") != CANARY


LOGIN_PAGE = (
    "<form action='{}' method=post><label>Password <input type=password name=p></label><button>Sign in</button></form>"
)


def entrance(pages: Pages, slot: int) -> Workflow:
    login = steps(("open", "/login"), ("fill", {"Password": "${secret:pin}"}), ("click", {"button": "Sign in"}))
    return workflow(replace(application(pages.url, login=login, timeout=2.0), name=f"app-{slot}"))


async def test_a_login_cut_off_in_the_middle_counts_as_refused(pages: Pages, slot: int, tmp_path: Path) -> None:
    pages.show(LOGIN_PAGE.format("/in?ms=900"), "/login")
    async with secretive(Redactor()) as office:
        hands = await office.hands(entrance(pages, slot), slot)
        for count in (1, 2):
            entering = asyncio.ensure_future(hands.begin(item({}, tmp_path, {})))
            await asyncio.to_thread(pages.wait_for_posts, count)
            entering.cancel()  # as a time limit does
            with pytest.raises(asyncio.CancelledError):
                await entering
        with pytest.raises(SystemException, match="not tried again"):
            await hands.begin(item({}, tmp_path, {}))
    assert len(pages.posted) == 2


async def test_an_application_that_is_down_has_refused_no_password(pages: Pages, slot: int, tmp_path: Path) -> None:
    pages.show(LOGIN_PAGE.format("/in?status=503"), "/login")
    pages.show("Down", "/in")
    async with secretive(Redactor()) as office:
        hands = await office.hands(entrance(pages, slot), slot)
        for _ in range(3):
            with pytest.raises(SystemException, match="answered 503"):
                await hands.begin(item({}, tmp_path, {}))
        pages.show(LOGIN_PAGE.format("/in"), "/login")
        await hands.begin(item({}, tmp_path, {}))
