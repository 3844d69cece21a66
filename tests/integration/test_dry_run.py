"""To the brink: everything up to the commit, nothing leaves, and what is shown is what the real run sends."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl

from fixtures.portal.forms import FIELDS, read_post
from fixtures.portal.server import PortalServer
from tests.integration.house import definition, invoices, terminal


def test_nothing_reaches_the_portal_and_the_real_run_sends_what_was_shown(portal: PortalServer, tmp_path: Path) -> None:
    rows = invoices(tmp_path / "source", 2)
    shell = terminal(tmp_path, portal)
    source = tmp_path / "source" / "invoices.csv"
    command = ("run", definition(tmp_path / "definitions"), "--source", source, "--base-url", portal.url)
    # a rule that fits every POST of an invoice and does nothing but count
    portal.faults([{"fault": "late_answer", "seconds": 0, "every": 1}, {"fault": "slow_pages", "ms": 0}])

    brink = shell(*command, "--dry-run", "--json")

    assert brink.code == 0, brink.err
    assert portal.counts() == {"records": 0, "duplicates": []}
    assert [hit for hit in portal.faults()["fired"] if hit["fault"] == "late_answer"] == []
    assert [hit for hit in portal.faults()["fired"] if hit["fault"] == "slow_pages"] != [], "it did go to the form"
    assert not (shell.home / "ledger.db").exists(), "a rehearsal leaves no item behind"
    (shown,) = brink.json
    assert (shown["method"], shown["url"], shown["status"]) == ("POST", f"{portal.url}/invoices", None)

    real = shell(*command, "--limit", 1)

    assert real.code == 0, real.err
    (record,) = portal.records()
    predicted = read_post(parse_qsl(shown["body"], keep_blank_values=True))
    sent = {item.label: predicted.values[item.name] for item in FIELDS}
    assert sent["Supplier"].isdecimal()  # the form posts the supplier's key, the portal tells the name
    assert record["raw"] == sent | {"Supplier": rows[0]["supplier"], "lines": predicted.lines}
