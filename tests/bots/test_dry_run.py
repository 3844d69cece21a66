"""A dry run lets nothing leave, from the first step on, and tells what belongs to the commit from what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bots.dry_run import to_the_brink
from bots.hands import BrowserHands
from bots.office import BotOffice
from engine.errors import SystemException
from tests.bots.house import Pages, application, item, steps, workflow
from tests.bots.test_hostile_pages import SAVE

pytestmark = pytest.mark.asyncio(loop_scope="session")

DRAFT = "<script>const draft = (body) => fetch('/draft', {method: 'POST', body}).catch(() => 0)</script>"
FORM = (
    f"{DRAFT}<form method=post action=/save onsubmit=\"draft('last')\">"
    "<label>Number <input name=n onchange=\"draft('first')\"></label><button>Save</button></form>"
)


async def ready(office: BotOffice, pages: Pages, slot: int, body: str) -> BrowserHands:
    pages.show(body)
    walk = steps(("open", "/"), ("fill", {"Number": "A-1"}), ("commit", SAVE))
    return await office.hands(workflow(application(pages.url), walk), slot)


async def test_drafts_are_held_back_too_and_are_not_taken_for_the_commit(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await ready(office, pages, slot, FORM)
    requests = await to_the_brink(hands, item({}, tmp_path, {}))
    told = [(request.url.removeprefix(pages.url), request.body, request.before_commit) for request in requests]
    assert told[0] == ("/draft", "first", True)
    assert sorted(told[1:]) == [("/draft", "last", False), ("/save", "n=A-1", False)]
    assert pages.posted == []


async def test_a_step_that_fails_for_want_of_what_was_held_back_says_so(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    locking = FORM.replace("onchange=\"draft('first')\"", "onchange=\"draft('first'); this.value = ''\"")
    hands = await ready(office, pages, slot, locking)
    with pytest.raises(SystemException, match=r"the dry run held back POST .*/draft"):
        await to_the_brink(hands, item({}, tmp_path, {}))
    assert pages.posted == []


async def test_a_draft_alone_is_no_commit(office: BotOffice, pages: Pages, slot: int, tmp_path: Path) -> None:
    dead = FORM.replace("<button>", "<button type=button>")
    hands = await ready(office, pages, slot, dead)
    with pytest.raises(SystemException, match="would send nothing"):
        await to_the_brink(hands, item({}, tmp_path, {}))
    assert pages.posted == []
