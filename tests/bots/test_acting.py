"""Clicks, dialogs, downloads, interrupts, logins and dying browsers."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bots.hands import BrowserHands
from bots.office import BotOffice
from engine.errors import NotSent, Rejected, SystemException, UnknownOutcome
from engine.redact import Redactor
from engine.secrets import SecretStore
from tests.bots.house import Pages, application, item, step, steps, workflow

pytestmark = pytest.mark.asyncio(loop_scope="session")
LIMIT = timedelta(seconds=4)
CANARY = "canary-4711-ü-secret"


def allow() -> None:
    """Permit every send."""


async def opened(office: BotOffice, pages: Pages, slot: int, folder: Path, body: str, **extras: Any) -> BrowserHands:
    pages.show(body)
    hands = await office.hands(workflow(application(pages.url, timeout=2.5, extras=extras)), slot)
    await hands.begin(item({}, folder, {}))
    await hands.perform(step("open", "/"))
    return hands


async def test_a_covered_button_is_not_clicked_through(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await opened(
        office,
        pages,
        slot,
        tmp_path,
        "<button onclick=\"fetch('/hit',{method:'POST'})\">Save</button><div style='position:fixed;inset:0'></div>",
    )
    with pytest.raises(SystemException) as caught:
        await hands.perform(step("click", {"button": "Save"}, limit=0.5))
    assert caught.value.code == "element_covered"
    assert pages.posted == []


TWO_IN_ONE_PLACE = (
    "<style>button { position: absolute; left: 200px; top: 200px }</style><button id=a>Cancel</button>"
    "<button id=b style='visibility:hidden' onclick=\"fetch('/hit',{method:'POST'})\">Delete</button>"
    "<script>a.onmousemove = () => { b.style.visibility = 'visible'; };</script>"
)


async def test_a_button_that_gives_way_to_another_under_the_mouse_is_not_mistaken(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await opened(
        office,
        pages,
        slot,
        tmp_path,
        TWO_IN_ONE_PLACE,
    )
    with pytest.raises(SystemException) as caught:
        await hands.perform(step("click", {"button": "Cancel"}))
    assert caught.value.code == "click_missed"
    assert pages.posted == []


async def test_a_native_confirm_is_dismissed_unless_the_definition_accepts_it(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await opened(
        office,
        pages,
        slot,
        tmp_path,
        "<button onclick=\"p.textContent = confirm('Sure?') ? 'yes' : 'no'\">Ask</button><p id=p></p>",
    )
    await hands.perform(step("click", {"button": "Ask"}))
    await hands.perform(step("expect", {"text": "no"}))
    await hands.perform(step("click", {"button": "Ask", "dialog": "accept"}))
    await hands.perform(step("expect", {"text": "yes"}))


async def test_a_download_is_kept_with_its_checksum_and_an_empty_one_refused(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await opened(office, pages, slot, tmp_path, '<a href="/lines.csv">Get</a><a href="/none.csv">None</a>')
    pages.pages |= {"/lines.csv": "a;b\n1;2\n", "/none.csv": ""}
    await hands.perform(step("download", {"click": {"link": "Get"}, "to": "bank"}))
    data = (tmp_path / "bank.csv").read_bytes()
    expected = {"file": "bank.csv", "sha256": hashlib.sha256(data).hexdigest(), "size": 8}
    assert hands.record["bank"] == [expected]
    with pytest.raises(SystemException, match="empty"):
        await hands.perform(step("download", {"click": {"link": "None"}, "to": "none"}))


async def test_an_interrupt_that_never_ends_is_an_error(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    with pytest.raises(SystemException) as caught:
        await opened(
            office,
            pages,
            slot,
            tmp_path,
            "<div role=alert>Again <button>Close</button></div>",
            interrupts=[{"when": {"role": "alert"}, "click": {"button": "Close"}}],
        )
    assert caught.value.code == "interrupted"


SAVE: dict[str, Any] = {"click": {"button": "Save"}, "confirm": {"text": "Saved"}, "in_doubt": "review"}


async def test_a_form_that_the_browser_itself_refuses_is_rejected_with_the_field(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await opened(
        office,
        pages,
        slot,
        tmp_path,
        "<form method=post><label>City <input required></label><button>Save</button></form>",
    )
    with pytest.raises(Rejected, match="City"):
        await hands.send(step("commit", SAVE), allow, LIMIT)
    assert pages.posted == []


async def test_a_click_that_sends_nothing_is_not_sent_and_can_send_no_more(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await opened(
        office,
        pages,
        slot,
        tmp_path,
        "<button onclick=\"setTimeout(() => fetch('/late',{method:'POST'}), 1400)\">Save</button>",
    )
    with pytest.raises(NotSent) as caught:
        await hands.send(step("commit", SAVE), allow, LIMIT)
    assert caught.value.code == "nothing_left"
    await hands.bot.page.wait_for_timeout(600)
    assert pages.posted == []


async def test_a_confirmation_from_before_the_click_confirms_nothing(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await opened(
        office, pages, slot, tmp_path, "<p>Saved</p><button onclick=\"fetch('/save',{method:'POST'})\">Save</button>"
    )
    pages.show("", "/save")
    with pytest.raises(UnknownOutcome):
        await hands.send(step("commit", SAVE), allow, timedelta(seconds=1))
    assert len(pages.posted) == 1


async def test_a_confirmation_without_a_request_asks_for_via(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    body = "<p id=p></p><button onclick=\"p.textContent='Saved'\">Save</button>"
    hands = await opened(office, pages, slot, tmp_path, body)
    with pytest.raises(UnknownOutcome, match="via"):
        await hands.send(step("commit", SAVE), allow, LIMIT)
    await hands.perform(step("open", "/"))
    assert (await hands.send(step("commit", {**SAVE, "via": "websocket"}), allow, LIMIT)).requests == ()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("<div role=alert><b>Saved</b> <i>x</i></div>", None),
        ("<p>Saved</p><div role=alert>But not quite</div>", "contradiction"),
        ("<div role=alert>City is unknown</div>", "application_rejected"),
        ("<p>Something else</p>", "not_confirmed"),
    ],
)
async def test_what_the_page_says_after_the_click_decides(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path, answer: str, code: str | None
) -> None:
    hands = await opened(office, pages, slot, tmp_path, "<form method=post action=/save><button>Save</button></form>")
    pages.show(answer, "/save")
    commit = step("commit", {**SAVE, "rejected": {"role": "alert"}})
    if code is None:
        assert (await hands.send(commit, allow, LIMIT)).requests[0].status == 200
        return
    with pytest.raises((Rejected, UnknownOutcome)) as caught:
        await hands.send(commit, allow, timedelta(seconds=1))
    assert caught.value.code == code


async def test_a_slow_page_is_waited_for_after_a_click(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    body = "<a href='/next?ms=700'>Go</a>"
    hands = await opened(office, pages, slot, tmp_path, body, settle={"cap": "200ms"})
    pages.show("<p>Next</p>", "/next")
    await hands.perform(step("click", {"link": "Go"}, limit=3))
    assert hands.bot.page.url.endswith("/next?ms=700")


async def test_a_crashed_page_is_replaced_at_the_next_item(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await opened(office, pages, slot, tmp_path, "<p>Here</p>")
    await hands.bot.page.close()
    with pytest.raises(SystemException):
        await hands.perform(step("expect", "Here"))
    assert not await hands.capture(tmp_path / "none.jpg")
    await hands.end(tmp_path / "trace.zip")
    await hands.begin(item({}, tmp_path, {}))
    await hands.perform(step("open", "/"))
    await hands.perform(step("expect", "Here"))


async def test_a_browser_that_dies_is_started_again(pages: Pages, slot: int, tmp_path: Path) -> None:
    redactor = Redactor()
    async with BotOffice(redactor=redactor, secrets=SecretStore(redactor, environ={})) as office:
        hands = await opened(office, pages, slot, tmp_path, "<p>Here</p>")
        browser = hands.bot.page.context.browser
        assert browser is not None
        await browser.close()
        with pytest.raises(SystemException):
            await hands.perform(step("open", "/"))
        await hands.begin(item({}, tmp_path, {}))
        await hands.perform(step("open", "/"))


LOGIN_PAGE = (
    "<form action=/in method=post><label>Password <input type=password name=p></label><button>Sign in</button></form>"
)


@pytest_asyncio.fixture(loop_scope="session")
async def canary(redactor: Redactor) -> AsyncIterator[tuple[BotOffice, dict[str, str]]]:
    environ = {"COUNTERSIGN_SECRET_PIN": CANARY}
    secrets = SecretStore(redactor, environ=environ, keyring=lambda _name: None)
    async with BotOffice(redactor=redactor, secrets=secrets) as office:
        yield office, environ


async def test_a_refused_password_is_tried_twice_and_again_only_when_it_changed(
    canary: tuple[BotOffice, dict[str, str]], pages: Pages, slot: int, tmp_path: Path
) -> None:
    office, environ = canary
    pages.show(LOGIN_PAGE)
    pages.show(LOGIN_PAGE, "/in")
    login = steps(("open", "/"), ("fill", {"Password": "${secret:pin}"}), ("click", {"button": "Sign in"}))
    extras = {"session": {"probe": {"button": "Sign out"}}}
    app = application(pages.url, login=login, extras=extras, timeout=0.6)
    hands = await office.hands(workflow(app), slot)
    for _ in range(4):
        with pytest.raises(SystemException) as caught:
            await hands.begin(item({}, tmp_path, {}))
        assert caught.value.code == "login_failed"
        assert CANARY not in str(caught.value)
    assert len(pages.posted) == 2
    environ["COUNTERSIGN_SECRET_PIN"] = "another-secret"
    pages.show("<button>Sign out</button>", "/in")
    await hands.begin(item({}, tmp_path, {}))
    assert len(pages.posted) == 3


async def test_the_version_is_read_at_each_login_and_unknown_where_the_page_does_not_show_it(
    canary: tuple[BotOffice, dict[str, str]], pages: Pages, slot: int, tmp_path: Path
) -> None:
    office, _ = canary
    pages.show(LOGIN_PAGE)
    login = steps(("open", "/"), ("fill", {"Password": "${secret:pin}"}), ("click", {"button": "Sign in"}))
    extras = {
        "session": {"probe": {"button": "Sign out"}, "stored_state": False},
        "version": {"test_id": "version"},
    }
    app = application(pages.url, login=login, extras=extras, timeout=1)
    hands = await office.hands(workflow(app), slot)
    signed_in = "<button>Sign out</button>"
    seen = []
    for shown in ("<p data-testid=version>ERP  4.2</p>", "<p data-testid=version>ERP 4.3</p>", ""):
        pages.show(signed_in + shown, "/in")
        hands.slot.lost = True
        await hands.begin(item({}, tmp_path, {}))
        seen.append(hands.app_version)
    assert seen == ["ERP 4.2", "ERP 4.3", None]


async def test_a_secret_that_cannot_be_typed_leaks_nowhere(
    canary: tuple[BotOffice, dict[str, str]], pages: Pages, slot: int, tmp_path: Path, redactor: Redactor
) -> None:
    office, _ = canary
    hands = await opened(office, pages, slot, tmp_path, "<label>Pin <input maxlength=4></label>")
    with pytest.raises(SystemException) as caught:
        await hands.perform(step("fill", {"Pin": "${secret:pin}"}))
    with pytest.raises(SystemException) as missing:
        await hands.perform(step("fill", {"Pim": "${secret:pin}"}, limit=0.4))
    assert CANARY not in "".join(map(str, (caught.value, missing.value, caught.getrepr(), missing.getrepr())))
    await hands.end(tmp_path / "trace.zip")
    assert CANARY.encode() not in (tmp_path / "trace.zip").read_bytes()
    assert not redactor.scrub_zip(tmp_path / "trace.zip")
