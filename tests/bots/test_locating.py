"""How elements are found and fields are filled, on pages as they occur."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import ValidationError

from bots.hands import BrowserHands
from bots.locators import Locator
from bots.office import BotOffice
from engine.errors import BusinessException, SystemException
from engine.values import FieldSpec
from tests.bots.house import Pages, application, item, step, workflow

pytestmark = pytest.mark.asyncio(loop_scope="session")
Shown = Callable[..., Awaitable[BrowserHands]]
FIELDS = {
    "net": FieldSpec.model_validate({"type": "money"}),
    "day": FieldSpec.model_validate({"type": "date"}),
    "name": FieldSpec.model_validate({"type": "text"}),
    "lines": FieldSpec.model_validate(
        {"type": "table", "columns": {"what": {"type": "text"}, "amount": {"type": "money"}}}
    ),
}
PAYLOAD = {
    "net": "1234.50",
    "day": "2026-02-03",
    "name": "Ö 上海",
    "lines": [{"what": "a", "amount": "1.00"}, {"what": "b", "amount": "2.00"}],
}


@pytest_asyncio.fixture(loop_scope="session")
async def shown(office: BotOffice, pages: Pages, slot: int, tmp_path: Path) -> Shown:
    async def show(body: str, **extras: Any) -> BrowserHands:
        pages.show(body)
        hands = await office.hands(workflow(application(pages.url, timeout=2.5, extras=extras), fields=FIELDS), slot)
        await hands.begin(item(FIELDS, tmp_path, PAYLOAD))
        await hands.perform(step("open", "/"))
        return hands

    return show


async def fill(hands: BrowserHands, **fields: str) -> None:
    await hands.perform(step("fill", {name.replace("_", " "): value for name, value in fields.items()}))


async def read(hands: BrowserHands, **fields: Any) -> dict[str, Any]:
    await hands.perform(step("read", fields))
    return hands.record


SHADOW = (
    '<div id="h"></div><script>document.getElementById("h").attachShadow({mode:"open"}).innerHTML = '
    '"<label>Total amount <input></label>"</script>'
)


@pytest.mark.parametrize(
    "body",
    [
        '<label for="a">Total amount: *</label><input id="a">',
        "<label>Total  amount <input></label>",
        '<input aria-label="Total amount">',
        '<b id="x">Total</b> <i id="y">amount</i><input aria-labelledby="x y">',
        "<table><tr><td>Total amount:</td><td><input></td></tr><tr><td>Other</td><td><input></td></tr></table>",
        "<dl><dt>Total amount</dt><dd><input></dd><dt>Other</dt><dd><input></dd></dl>",
        "<div>Total amount: <input></div><div>Other: <input></div>",
        "<div><span>Total amount</span><div><textarea></textarea></div></div>",
        "<p hidden><label>Total amount <input></label></p><label>Total amount <input></label>",
        SHADOW,
    ],
)
async def test_a_field_is_found_by_the_text_a_person_reads(shown: Shown, body: str) -> None:
    hands = await shown(body)
    await fill(hands, Total_amount="kept")
    assert (await read(hands, seen={"field": "Total amount"}))["seen"] == "kept"


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("<label>Total <input></label><label>Total <input></label>", "ambiguous_locator", "2 elements"),
        ("<label>Invoice no. <input></label>", "element_missing", "did you mean 'Invoice no.'"),
        ("<label>Invoice number <input disabled></label>", "element_disabled", "disabled"),
        ("<label>Invoice number <input readonly></label>", "element_readonly", "readonly"),
        ("<label hidden>Invoice number <input></label>", "element_missing", "Test page"),
    ],
)
async def test_no_field_or_several_or_a_barred_one_is_an_error(shown: Shown, body: str, code: str, words: str) -> None:
    hands = await shown(body)
    label = "Total" if "Total" in body else "Invoice number"
    with pytest.raises(SystemException, match=words) as caught:
        await hands.perform(step("fill", {label: "x"}, limit=0.4))
    assert caught.value.code == code


async def test_values_are_typed_the_way_the_application_writes_them(shown: Shown) -> None:
    hands = await shown(
        '<label>Net <input id="n"></label><label>Day <input></label><label>Native <input type="date"></label>'
        '<label>Count <input type="number" step="0.01"></label><label>Who <input></label>'
    )
    money, day = "${item.net}", "${item.day}"
    await fill(hands, Net=money, Day=day, Native=day, Count=money, Who="an ${item.name}")
    got = await read(
        hands,
        net={"field": "Net"},
        day={"field": "Day"},
        who={"field": "Who"},
        native={"field": "Native", "type": "date"},
    )
    assert got == {"net": Decimal("1234.50"), "day": date(2026, 2, 3), "who": "an Ö 上海", "native": date(2026, 2, 3)}


async def test_a_value_that_the_application_only_writes_differently_is_kept(shown: Shown) -> None:
    hands = await shown(
        "<label>Net <input onchange=\"this.value='1,234.5'\"></label>"
        "<label>IBAN <input onchange=\"this.value='DE89 3704'\"></label>"
    )
    await fill(hands, Net="${item.net}", IBAN="DE893704")


async def test_a_value_that_is_not_kept_is_an_error_that_shows_both(shown: Shown) -> None:
    hands = await shown("<label>Net <input onblur=\"this.value='123,450.00'\"></label>")
    with pytest.raises(SystemException, match=r"123,450\.00.*1,234\.50") as caught:
        await fill(hands, Net="${item.net}")
    assert caught.value.code == "field_not_kept"


async def test_a_field_that_wants_keys_is_typed_into(shown: Shown) -> None:
    hands = await shown(
        "<label>Code <input></label><script>let typed = '';const box = document.querySelector('input');"
        "box.onkeypress = (e) => { typed += e.key; }; box.onblur = () => { box.value = typed; };</script>"
    )
    await fill(hands, Code="abc")
    assert (await read(hands, code={"field": "Code"}))["code"] == "abc"


async def test_options_are_chosen_by_their_whole_text(shown: Shown) -> None:
    body = "<label>Account <select><option>Current Maturities<option>Rent <option>Rent (old)</select></label>"
    hands = await shown(
        body + "<fieldset><legend>Kind:</legend><label><input type=radio name=k> A</label>"
        "<label><input type=radio name=k> B</label></fieldset><label><input type=checkbox> Urgent</label>"
    )
    await hands.perform(step("choose", {"Account": "Rent", "Kind": "B"}))
    await hands.perform(step("check", "Urgent"))
    got = await read(hands, account={"field": "Account"}, kind={"field": "Kind"}, urgent={"field": "Urgent"})
    assert got == {"account": "Rent", "kind": "B", "urgent": "true"}
    with pytest.raises(BusinessException, match="nearest: 'Rent'") as caught:
        await hands.perform(step("choose", {"Account": "Rents"}))
    assert caught.value.code == "unknown_choice"


async def test_a_combobox_takes_only_the_exact_option_although_its_search_lags(shown: Shown) -> None:
    hands = await shown(
        "<label>Payee <input role=combobox></label><ul id=l></ul><script>const box = document.querySelector('input');"
        "const all = ['Expenses:Current Rent', 'Expenses:<b>Rent</b>'];let wait;"
        "const draw = (names) => { l.innerHTML = names.map((n) => `<li role=option>${n}</li>`).join('');"
        "for (const o of l.children) o.onclick = () => { box.value = o.textContent; l.innerHTML = ''; }; };"
        "box.oninput = () => { draw(all.slice(0, 1)); clearTimeout(wait);"
        "wait = setTimeout(async () => { await fetch('/?ms=80'); draw(all); }, 120); };</script>"
    )
    await fill(hands, Payee="Expenses:Rent")
    assert (await read(hands, payee={"field": "Payee"}))["payee"] == "Expenses:Rent"
    with pytest.raises(BusinessException, match="no option 'Rent'"):
        await fill(hands, Payee="Rent")


async def test_a_slow_answer_to_a_field_is_waited_for_before_the_next(shown: Shown) -> None:
    hands = await shown(
        "<label>Code <input id=c></label><label>Name <input id=n></label><script>c.onchange = () => setTimeout("
        "async () => { await (await fetch('/?ms=150')).text(); n.value = 'from code'; }, 300);</script>"
    )
    await fill(hands, Code="1", Name="mine")
    assert (await read(hands, name={"field": "Name"}))["name"] == "mine"


async def test_polling_and_animation_do_not_hold_a_step_up(shown: Shown) -> None:
    hands = await shown(
        "<p id=p></p><label>Code <input></label><script>setInterval(() => { p.textContent = Date.now(); }, 15);"
        "(function loop() { setTimeout(loop, 10); })(); (function draw() { requestAnimationFrame(draw); })();</script>"
    )
    await hands.perform(step("fill", {"Code": "x"}, limit=2.5))


async def test_a_field_inside_a_frame_is_filled_and_read(shown: Shown, pages: Pages) -> None:
    pages.show("<label>City <input></label><button onclick=\"this.textContent='Done'\">Go</button>", "/inner")
    hands = await shown('<iframe title="Address" src="/inner" style="margin:40px"></iframe>')
    await hands.perform(step("fill", {"City": {"field": "City", "frame": "Address", "value": "Köln"}}))
    await hands.perform(step("click", {"button": "Go", "frame": "Address"}))
    await hands.perform(step("expect", {"button": "Done", "frame": "Address"}))
    assert (await read(hands, city={"field": "City", "frame": "Address"}))["city"] == "Köln"


async def test_an_editor_without_an_input_is_typed_into(shown: Shown) -> None:
    hands = await shown('<div contenteditable="true" aria-label="Note" style="height:30px">old</div>')
    await fill(hands, Note="new text")
    assert (await read(hands, note={"field": "Note"}))["note"] == "new text"


LINES = (
    "<table aria-label=Lines><thead><tr><th>What</th><th>Amount</th></tr></thead><tbody id=b><tr><td><input></td>"
    '<td><input onchange="this.value=Number(this.value).toFixed(2)"></td></tr></tbody></table>'
    '<button onclick="{extra}b.append(b.rows[0].cloneNode(true))">Add</button>'
)
ROWS = {
    "table": "Lines",
    "add": {"button": "Add"},
    "each": "${item.lines}",
    "columns": {"What": "${row.what}", "Amount": "${row.amount}"},
}


async def test_rows_are_added_filled_and_read_back_typed(shown: Shown) -> None:
    hands = await shown(LINES.replace("{extra}", ""))
    await hands.perform(step("rows", ROWS))
    got = await read(hands, lines={"table": "Lines", "columns": {"what": "What", "amount": "Amount"}})
    assert got["lines"] == [{"what": "a", "amount": Decimal("1.00")}, {"what": "b", "amount": Decimal("2.00")}]


async def test_rows_beyond_the_data_are_emptied(shown: Shown) -> None:
    row = "<tr><td><input value=old></td><td><input value=9></td></tr>"
    hands = await shown(LINES.replace("{extra}", "").replace("id=b>", f"id=b>{row * 3}"))
    await hands.perform(step("rows", ROWS))
    got = await read(hands, all={"table": "Lines", "columns": {"what": "What"}})
    assert [line["what"] for line in got["all"]] == ["a", "b", None, None]


async def test_a_button_that_adds_no_row_is_an_error(shown: Shown) -> None:
    hands = await shown(LINES.replace("{extra}", "return;"))
    with pytest.raises(SystemException, match="stuck"):
        await hands.perform(step("rows", ROWS, limit=2))


TABLE = (
    "<table><caption>Bank</caption><tr><th>Text</th><th>Amount</th></tr>"
    "<tr><td>Fee</td><td>1.00</td></tr><tr><td>Rent</td><td>2.00</td></tr></table>"
)


@pytest.mark.parametrize(
    ("locator", "text"),
    [
        ({"cell": {"table": "Bank", "row": "Rent", "column": "Amount"}}, "2.00"),
        ({"cell": {"row": 1, "column": "Amount"}}, "1.00"),
        ({"role": "heading", "name": "Two", "within": {"css": "section"}}, "Two"),
        ({"test_id": "t"}, "marked"),
        ({"css": "#i"}, "marked"),
        ({"xpath": "//p[@id='i']"}, "marked"),
        ({"text": "marked"}, "marked"),
        ({"placeholder": "Search"}, "q"),
    ],
)
async def test_every_way_of_naming_reads_the_one_element(shown: Shown, locator: dict[str, Any], text: str) -> None:
    hands = await shown(
        TABLE + "<h2>Two</h2><section><h2>Two</h2></section><p id=i data-testid=t>marked</p>"
        '<input placeholder="Search" value="q">'
    )
    assert (await read(hands, it=locator))["it"] == text


async def test_what_cannot_be_read_as_its_type_stays_text(shown: Shown) -> None:
    hands = await shown("<dl><dt>Net</dt><dd>12 pieces</dd></dl>")
    assert (await read(hands, net="Net"))["net"] == "12 pieces"


@pytest.mark.parametrize("wrong", [{}, {"field": "a", "button": "b"}, {"name": "x", "text": "y"}, {"feild": "a"}])
async def test_a_locator_names_its_element_in_exactly_one_way(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Locator.model_validate(wrong)
