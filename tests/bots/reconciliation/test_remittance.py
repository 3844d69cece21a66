from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from bots.reconciliation.matching.remittance import with_references


def side(*rows: tuple[str, str, str], amounts: Sequence[int] = ()) -> pd.DataFrame:
    """Return reference, end-to-end id and text of lines, and their amounts, which are all different if not given."""
    frame = pd.DataFrame(rows, columns=["reference", "end_to_end", "text"], dtype="str")
    return frame.assign(amount=np.array(amounts or range(100, 100 + len(rows)), np.int64))


def texts(*said: str, amounts: Sequence[int] = ()) -> pd.DataFrame:
    """Return lines that have a text and no reference."""
    return side(*(("", "", text) for text in said), amounts=amounts)


def test_a_line_goes_by_the_reference_that_the_other_side_knows() -> None:
    bank = side(
        ("RF18", "INV-1", ""),
        ("", "NOTPROVIDED", "货款INV-2 März 2026"),
        ("", "", "Factures INV-1, INV-2"),
        ("", "E2E-77", "nothing here"),
        ("RF19", "", "Rechnung inv/3."),
        ("", "NOTPROVIDED", ""),
    )
    book = side(("INV-1", "", ""), ("INV-2", "", ""), ("INV/3", "", "2026"), ("", "", "paid RF18"))
    ours, theirs = with_references(bank, book)
    assert ours["reference"].tolist() == ["INV-1", "INV-2", "", "E2E-77", "INV/3", ""]
    assert theirs["reference"].tolist() == ["INV-1", "INV-2", "INV/3", "RF18"]
    assert ours.drop(columns="reference").equals(bank.drop(columns="reference"))
    assert with_references(bank.iloc[:0], book)[1]["reference"].tolist() == ["INV-1", "INV-2", "INV/3", ""]


def test_texts_alone_tell_which_numbers_are_references() -> None:
    bank = texts(
        "ACME INV-2001 K-77", "ACME inv-2002 K-77", "Globex INV-2003 K-78", "INV-2004, INV-2005", "华为 INV-2009 K-79"
    )
    book = texts("INV-2001 Acme", "INV-2002 Acme", "INV-2003 Globex", "INV-2004", "INV-2008 华为", "INV-2005")
    ours, theirs = with_references(bank, book)
    assert ours["reference"].tolist() == ["INV-2001", "INV-2002", "INV-2003", "", "INV-2009"]
    assert theirs["reference"].tolist() == ["INV-2001", "INV-2002", "INV-2003", "INV-2004", "INV-2008", "INV-2005"]


@pytest.mark.parametrize(
    "token",
    ["EUR{n}.50", "{n:02}MAR2026", "2026-03-01T10:{n}", "12H{n}", "2026W{n}", "2026-03-{n}", "202603{n}", "{n}.50"],
)
def test_amounts_days_and_times_in_texts_are_no_references(token: str) -> None:
    said = [token.format(n=n) for n in range(10, 30)]
    amounts = [100 * n + 50 for n in range(10, 30)]
    ours, _ = with_references(texts(*said, amounts=amounts), texts(*reversed(said), amounts=amounts[::-1]))
    assert set(ours["reference"]) == {""}


def test_a_number_on_several_lines_of_one_amount_may_be_a_customer_s() -> None:
    said = ["KD-1001 Feb", "KD-1002 Feb", "KD-1003 Feb", "KD-1004 Feb"]
    ours, theirs = with_references(
        texts(*said, amounts=[5, 6, 7, 8]), texts(*said, "KD-1004 Mar", amounts=[5, 6, 7, 8, 8])
    )
    assert ours["reference"].tolist() == theirs["reference"].tolist()[:4] == ["KD-1001", "KD-1002", "KD-1003", ""]


def test_a_reference_of_its_own_is_kept_where_texts_agree() -> None:
    said = [f"order ORD-70{n}" for n in range(10, 20)]
    bank = side(*((f"INV-{n}", "", text) for n, text in enumerate(said)))
    book = side(*((f"RE-{n}", "", text) for n, text in enumerate(said)))
    assert with_references(bank, book)[0]["reference"].tolist() == bank["reference"].tolist()
