from __future__ import annotations

import pandas as pd

from bots.reconciliation.matching.remittance import with_references


def side(*rows: tuple[str, str, str]) -> pd.DataFrame:
    """Return reference, end-to-end id and text of lines."""
    return pd.DataFrame(rows, columns=["reference", "end_to_end", "text"], dtype="str")


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
