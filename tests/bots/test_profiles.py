"""What a profile says about an application's pages: how a lost session looks, and which boxes are clicked away."""

from __future__ import annotations

from pathlib import Path

import pytest

from bots.office import BotOffice
from engine.errors import SessionLost
from tests.bots.house import Pages, application, item, step, workflow

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("lost", ["/login", "/erp/login", "login", "/login?back="])
async def test_a_login_page_is_known_below_the_path_of_the_application(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path, lost: str
) -> None:
    app = application(f"{pages.url}/erp", extras={"session": {"lost": {"url": lost}}})
    hands = await office.hands(workflow(app), slot)
    pages.show("<p>List</p>", "/erp/list")
    pages.show("<p>Sign in</p>", "/erp/login")
    await hands.begin(item({}, tmp_path, {}))
    await hands.perform(step("open", "/list"))
    with pytest.raises(SessionLost):
        await hands.perform(step("open", "/login?back=1"))


@pytest.mark.parametrize(
    "when", [{"role": "dialog", "name": "Notice"}, {"text": "We close at six"}], ids=["box", "text"]
)
async def test_a_box_is_closed_by_its_own_button_though_the_page_has_one_of_that_name(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path, when: dict[str, str]
) -> None:
    app = application(pages.url, extras={"interrupts": [{"when": when, "click": {"button": "Close"}}]})
    hands = await office.hands(workflow(app), slot)
    pages.show(
        "<button onclick=\"p.textContent = 'Month closed'\">Close</button><p id=p>Month open</p>"
        "<div role=dialog aria-label=Notice id=d><p>We close at six</p>"
        "<button onclick='d.remove()'>Close</button></div>"
    )
    await hands.begin(item({}, tmp_path, {}))
    await hands.perform(step("open", "/"))
    await hands.perform(step("expect", "Month open"))
    assert await hands.bot.page.locator("#d").count() == 0


async def test_a_box_without_a_button_of_its_own_is_closed_from_outside(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    boxes = [{"when": {"role": "dialog"}, "click": {"button": "Close"}}]
    hands = await office.hands(workflow(application(pages.url, extras={"interrupts": boxes})), slot)
    pages.show("<div role=dialog id=d>Notice</div><button onclick='d.remove()'>Close</button>")
    await hands.begin(item({}, tmp_path, {}))
    await hands.perform(step("open", "/"))
    assert await hands.bot.page.locator("#d").count() == 0
