"""What is shown of an outcome: the way between the balances, the page, the tables; hostile data stays data."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from openpyxl import load_workbook

from bots.reconciliation import export, report
from bots.reconciliation.bridge import Bridge, Step, bridges, states
from bots.reconciliation.definition import DEFAULT
from bots.reconciliation.explain import breaks
from bots.reconciliation.gate import Evidence, standings
from bots.reconciliation.lines import Quarantined
from bots.reconciliation.matched import BANK, BOOK
from bots.reconciliation.pictures import ages, columns, waterfall
from bots.reconciliation.policy import Policy
from bots.reconciliation.reading import Sides
from bots.reconciliation.reconcile import Outcome
from bots.reconciliation.wording import bound, decimal, inert, money, share, visible
from tests.bots.reconciliation.outcomes import delivery, read, solution

HOSTILE = '=HYPERLINK("http://evil.example","x")<script>alert(1)</script>\u202e\x07'


def outcome(who: str = "", *, held: int = 0) -> Outcome:
    """Return the outcome of a bank's four lines and the books' three: one closed, one suggested with a fee."""
    bank = delivery(1000, 970, -30, 55, opening=500, who=who, text=who)
    bank = type(bank)(**vars(bank) | {"quarantined": (Quarantined(9, "amount", who, "it is no amount"),) * held})
    sides = Sides(read(bank), read(delivery(1000, 1000, 77, opening=490, name="books.csv", who=who)), ("told",))
    matched = solution(("exact", True, [0], [0], 0), ("fee", False, [1], [1], -30))
    open_ = breaks(sides.bank.lines, sides.book.lines, matched, Policy(), date(2026, 3, 31))
    known = standings([Evidence("exact", 90_000, 0, "seed"), Evidence("fee", 10, 0, "seed")])
    lines = (sides.bank.lines, sides.book.lines)
    return Outcome(DEFAULT, sides, date(2026, 3, 31), matched, open_, known, pd.Series({1: 0.25}), lines)


def test_the_way_from_the_banks_balance_to_the_books_adds_up_to_the_cent() -> None:
    found = outcome()
    causes = {side: pd.Series(["missing on one side"] * 9) for side in (BANK, BOOK)}
    (one,) = bridges(found.sides.bank, found.sides.book, found.matched, causes)
    assert (one.bank, one.book, one.balances) == (500 + 1995, 490 + 2077, True)
    assert one.steps == (
        Step("open", "missing on one side", 30 - 55 + 77, 2, 1),
        Step("suggested", "fee", 30, 1, 1),
        Step("opening", "", -10, 0, 0),
    )
    assert one.unexplained == 0
    assert one.running == [2495, 2547, 2577, 2567]


def test_without_a_balance_only_what_moved_is_compared() -> None:
    bank, book = read(delivery(5, 7)), read(delivery(5, opening=3))
    (one,) = bridges(bank, book, solution(("exact", True, [0], [0], 0)), {BANK: pd.Series(["fee"]), BOOK: pd.Series()})
    assert (one.bank, one.book, one.balances, one.unexplained) == (12, 5, False, 0)
    assert one.steps == (Step("open", "", -7, 1, 0),)


def test_a_line_is_in_one_state_and_never_in_two_matches() -> None:
    found = outcome(held=2)
    assert found.counts() == {"closed": (1, 1), "suggested": (1, 1), "open": (2, 1), "quarantined": (2, 0)}
    doubled = solution(("exact", True, [0], [0], 0), ("exact", True, [0], [1], 0))
    with pytest.raises(ValueError, match="line 0 of side 0 is in two matches"):
        states(BANK, found.sides.bank.lines, doubled)


def test_small_items_beside_large_balances_can_be_seen() -> None:
    steps = (Step("open", "a", -50, 1, 0), Step("open", "b", 150, 0, 1))
    drawn = waterfall(Bridge("A", "EUR", 1_000_000, 1_000_100, True, steps))
    assert drawn.broken
    assert drawn.steps[0].falls
    assert drawn.steps[1].width == pytest.approx(3 * drawn.steps[0].width, abs=0.1)
    assert drawn.book.joint == 100
    plain = waterfall(Bridge("A", "EUR", 100, 40, True, (Step("open", "a", -60, 1, 0),)))
    assert (plain.broken, plain.bank.width, plain.steps[0].x, plain.steps[0].width) == (False, 100, 40, 60)
    below = waterfall(Bridge("A", "EUR", -1000, -1010, True, (Step("open", "a", -10, 1, 0),)))
    assert all(0 <= bar.x <= bar.x + bar.width <= 101 for bar in (below.bank, *below.steps, below.book))


def test_ages_and_columns_count_every_line_once() -> None:
    bank = pd.DataFrame({"age": [-1, 7, 8, 400], "amount": [1, 2, 3, -4]})
    found = ages([bank, pd.DataFrame({"age": [90, 91], "amount": [5, 6]})])
    assert [(one.bank_amount, one.book_amount) for one in found] == [(1, 0), (2, 0), (3, 0), (0, 0), (0, 5), (-4, 6)]
    assert [(one.bank, one.book) for one in found] == [(1, 0), (1, 0), (1, 0), (0, 0), (0, 1), (1, 1)]
    days = pd.Series(pd.date_range("2025-01-01", periods=400, freq="D"))
    word, shown = columns(days, pd.Series(pd.Categorical(["open"] * 400, ["closed", "suggested", "open"])))
    assert (word, sum(one.lines for one in shown)) == ("week", 400)
    assert all(sum(height for _, _, height in one.parts) == pytest.approx(100) for one in shown)


def test_figures_in_words_never_say_less_than_they_should() -> None:
    assert [bound(one) for one in (1, 0.058, 0.0000999, 0.0001, 0.00000001)] == [
        "100 %",
        "5.8 %",
        "0.01 %",
        "0.01 %",
        "under 0.0001 %",
    ]
    assert (money(-123450, "EUR"), money(5, "JPY"), decimal(-5, "TND")) == ("\N{MINUS SIGN}1,234.50", "5", "-0.005")
    assert (share(0.9996), share(0.0002), share(0.5)) == ("> 99.9 %", "< 0.1 %", "50.0 %")
    assert [inert(text) for text in ("=1", "＠x", "plain", "-")] == ["'=1", "'＠x", "plain", "'-"]
    assert inert('a; "=1+1;b\n@x;c') == "a; \"'=1+1;b\n'@x;c"
    assert visible("a\u202eb\n c") == "a\N{REPLACEMENT CHARACTER}b c"


def test_the_page_loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    """Names, texts and quarantined values come from outside: none becomes markup or hides what is beside it."""
    page = report.write_report(outcome(HOSTILE, held=1), tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;" in page
    assert not re.findall(r'(?:src|href)="|url\(|@import|http-equiv="refresh"', page)
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert "it is no amount" in page
    assert "explained to the cent" in page


def test_tables_hold_every_line_and_no_formula(tmp_path: Path) -> None:
    found = outcome(HOSTILE, held=1)
    paths = {path.name: path for path in export.write_tables(found, tmp_path)}
    matches = pd.read_csv(paths["matches.csv"], dtype=str, keep_default_na=False)
    opened = pd.read_csv(paths["breaks.csv"], dtype=str, keep_default_na=False)
    assert len(matches) + len(opened) == 7
    assert matches["amount"].tolist() == ["10.00", "10.00", "9.70", "10.00"]
    assert matches["difference"].tolist() == ["0.00", "0.00", "-0.30", "-0.30"]
    assert (matches["name"].str[0] == "'").all()
    assert pd.read_csv(paths["quarantine.csv"])["value"].tolist() == [f"'{HOSTILE}"]
    book = load_workbook(paths["reconciliation.xlsx"])
    cells = [cell for sheet in book for row in sheet for cell in row]
    assert "f" not in {cell.data_type for cell in cells}
    assert any(str(cell.value).startswith("=HYPERLINK") and cell.quotePrefix for cell in cells)


def test_the_same_outcome_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        export.write_tables(outcome(), tmp_path / folder)
        report.write_report(outcome(), tmp_path / folder / "report.html")
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
    with zipfile.ZipFile(io.BytesIO((tmp_path / "one" / "reconciliation.xlsx").read_bytes())) as packed:
        assert packed.testzip() is None


def test_a_page_is_no_longer_than_a_person_reads(tmp_path: Path) -> None:
    """Of thousands of accounts the furthest apart are drawn; of a batch of thousands the first lines are."""
    several = 60
    bank = delivery(*([1] * several))
    parts = tuple(replace(bank.statements[0], account=f"A{at}", lines=(line,)) for at, line in enumerate(bank.lines))
    sides = Sides(read(replace(bank, statements=parts)), read(delivery(several)), ())
    matched = solution(("exact", True, list(range(several)), [0], 0))
    lines = (sides.bank.lines, sides.book.lines)
    open_ = breaks(*lines, matched, Policy(), date(2026, 3, 31))
    found = Outcome(DEFAULT, sides, date(2026, 3, 31), matched, open_, (), pd.Series(dtype="float64"), lines)
    page = report.write_report(found, tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count('<article class="sheet fall">') == 50
    assert "50 of 61 are shown here" in page
    assert "25 of 60 are shown here" in page
