"""Lists that show only a part of what they hold: what they do not show must never count as absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from bots.office import BotOffice
from engine.definition import ListAudit
from engine.errors import SystemException
from engine.ports import Found
from tests.bots.house import Pages, item
from tests.bots.test_hostile_pages import KEY, looked, opened, table

pytestmark = pytest.mark.asyncio(loop_scope="session")

MORE = {
    "text": "<button>Next</button>",
    "text with an arrow": "<a href='#2'>Next page »</a>",
    "arrow": "<a href='#2'>›</a>",
    "aria-label": "<button aria-label='Go to next page'><svg width=9 height=9></svg></button>",
    "title": "<a href='javascript:go(2)' title='Next'><i>x</i></a>",
    "German": "<input type=submit value=Weiter>",
    "Chinese": "<button>下一页</button>",
    "class": "<ul class=pagination><li class='page-item next'><a href='#2'><i>x</i></a></li></ul>",
    "a div": "<div role=button tabindex=0 class='paging-button' aria-label='Next Page'>x</div>",
    "numbers": "<ul class=pagination><li class=active><a href='#1'>1</a></li><li><a href='#2'>2</a></li></ul>",
    "ASP.NET": "<table><tr><td><span>1</span><td><a href=\"javascript:__doPostBack('G','Page$2')\">2</a></table>",
    "load more": "<button>Load more</button>",
}
NO_MORE = {
    "disabled": "<button disabled>Next</button><button aria-label='Next page' aria-disabled=true>›</button>",
    "disabled by class": "<ul class=pagination><li class='next disabled'><a href='#'>Next</a></li></ul>",
    "no link": "<div class=pager><a>Next</a></div>",
    "hidden": "<button hidden>Next</button>",
    "back only": "<a href='#1'>‹</a><a href='#1'>Previous</a>",
    "last number": "<div class=pager><a href='#1'>1</a> <span>2</span> of 2</div>",
    "one page": "<ul class=pagination><li><a href='#1'>1</a></li></ul>",
    "page sizes": "<div class=pager><b>1</b> <a href='#'>10</a> <a href='#'>50</a> a page</div>",
    "another next": "<div class=carousel><button class=carousel-control-next>x</button></div>",
}


@pytest.mark.parametrize("way", MORE)
async def test_a_list_that_goes_on_behind_a_control_proves_no_absence(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path, way: str
) -> None:
    hands = await opened(office, pages, slot, tmp_path, "", fields=KEY, number="A-9")
    pages.show(table("<td>Acme<td>A-1").replace("<table", "<table aria-label=Invoices") + MORE[way], "/list")
    with pytest.raises(SystemException, match="narrow the search") as caught:
        await looked(hands, table="Invoices")
    assert caught.value.code == "list_incomplete"


@pytest.mark.parametrize("way", NO_MORE)
async def test_a_list_that_ends_here_proves_absence(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path, way: str
) -> None:
    hands = await opened(office, pages, slot, tmp_path, "", fields=KEY, number="A-9")
    pages.show(table("<td>Acme<td>A-1") + NO_MORE[way], "/list")
    assert await looked(hands) == Found(0)


async def test_one_record_on_a_list_that_goes_on_may_be_two_and_two_are_enough(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await opened(office, pages, slot, tmp_path, "", fields=KEY, number="A-1")
    pages.show(table("<td>Acme<td>A-1") + MORE["text"], "/list")
    with pytest.raises(SystemException, match="narrow the search"):
        await looked(hands)
    pages.show(table("<td>Acme<td>A-1", "<td>Acme<td>A-1") + MORE["text"], "/list")
    assert (await looked(hands)).count == 2


async def test_a_sign_of_emptiness_above_a_pager_proves_no_absence(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await opened(office, pages, slot, tmp_path, "", fields=KEY, number="A-1")
    pages.show("<p>No records</p>" + MORE["text"], "/list")
    with pytest.raises(SystemException, match="narrow the search"):
        await looked(hands, empty="No records")


async def test_a_run_audit_of_a_list_that_goes_on_counts_nothing(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    audit = ListAudit.model_validate({"open": "/list", "key": {"Number": "${item.number}"}})
    hands = await opened(office, pages, slot, tmp_path, "", fields=KEY, audit=audit, number="A-1")
    pages.show(table("<td>Acme<td>A-1") + MORE["text"], "/list")
    with pytest.raises(SystemException, match="rel=next"):
        await hands.listed([item(KEY, tmp_path, {"number": "A-1"})])


async def test_a_link_with_several_relations_is_followed(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await opened(office, pages, slot, tmp_path, "", fields=KEY, number="A-2")
    pages.show(table("<td>Acme<td>A-1") + "<a rel='next nofollow' href=/more>Next</a>", "/list")
    pages.show(table("<td>Acme<td>A-2"), "/more")
    assert (await looked(hands)).count == 1


@pytest.mark.parametrize(
    "rows",
    [
        "<tr style='display:none'><td>Acme<td>A-2",
        "<tr style='visibility:collapse'><td>Acme<td><b>A-2</b>",
        "<tbody hidden><tr><td colspan=2>Group<tr><td><td>Acme<td>a-2</tbody>",
    ],
    ids=["filtered", "collapsed", "closed group"],
)
async def test_a_record_in_a_row_that_is_not_shown_forbids_a_second_send(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path, rows: str
) -> None:
    hands = await opened(office, pages, slot, tmp_path, "", fields=KEY, number="A-2")
    shown = table("<td>Acme<td>A-1").replace("</table>", rows + "</table>")
    pages.show(shown, "/list")
    assert await looked(hands) == Found(0, alike=1)
    pages.show(shown.replace("A-2", "A-3").replace("a-2", "A-3"), "/list")
    assert await looked(hands) == Found(0)
