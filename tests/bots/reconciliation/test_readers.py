from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import pytest

from bots.reconciliation.lines import Delivery, Line
from bots.reconciliation.readers.registry import READERS, read
from bots.reconciliation.readers.tables import TableSpec
from engine.errors import UserError
from tests.bots.reconciliation.samples import BAI2, CAMT, CSV, MT940, OFX, SAMPLES


def reading(folder: Path, name: str, data: bytes | str, **spec: object) -> Delivery:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read(path, spec=TableSpec.model_validate(spec) if spec else None)


@pytest.mark.parametrize("kind", READERS)
def test_the_same_bookings_come_out_of_every_format_to_the_cent(kind: str, tmp_path: Path) -> None:
    found = reading(tmp_path, *SAMPLES[kind])
    assert (found.format, found.quarantined) == (kind, ())
    lines = found.statements[0].lines
    assert [line.amount for line in lines] == [100_000, 23_450, -6_306]
    assert {line.currency for line in lines} == {"EUR"}
    assert lines[0].booked == date(2026, 3, 4 if kind == "bai2" else 2)  # BAI2 dates the account, not the booking
    assert "INV-1" in {lines[0].text, lines[0].reference, *lines[0].text.split()}
    assert len(found.sha256) == 64


def test_what_each_format_tells_is_kept(tmp_path: Path) -> None:
    camt = reading(tmp_path, *SAMPLES["camt"]).statements[0]
    assert (camt.opening, camt.closing, camt.account) == (10_000, 127_144, "DE02120300000000202051")
    assert camt.lines[0] == Line(
        number=6,
        amount=100_000,
        currency="EUR",
        booked=date(2026, 3, 2),
        valued=date(2026, 3, 3),
        end_to_end="E-1",
        text="INV-1",
        name="东方贸易有限公司",
        batch="B1",
    )
    assert camt.lines[1].reference == "RF18539007547034"
    swift = reading(tmp_path, *SAMPLES["mt940"])
    first = swift.statements[0].lines[0]
    assert (first.name, first.end_to_end, first.bank_id, first.text) == ("Müller GmbH", "E-1", "B1", "INV-1 März")
    assert [len(statement.lines) for statement in swift.statements] == [3, 0]
    bai = reading(tmp_path, *SAMPLES["bai2"]).statements[0].lines
    assert (bai[0].text, bai[1].bank_id) == ("PAID BY A/B LTD,SECOND LINE, WITH COMMA", "B2")
    ofx = reading(tmp_path, *SAMPLES["ofx"]).statements[0].lines[0]
    assert (ofx.name, ofx.bank_id) == ("M&M", "B1")


@pytest.mark.parametrize("kind", ["camt", "mt940", "bai2", "csv"])
def test_no_damage_goes_by_unseen(kind: str, tmp_path: Path) -> None:
    """Lines dropped, doubled or altered: the bookings are right, held back, or the file is refused; never else."""
    name, data = SAMPLES[kind]
    right = sorted(line.amount for line in reading(tmp_path, name, data).statements[0].lines)
    rng = random.Random(1)  # noqa: S311 - seeded damage
    rows = data.splitlines(keepends=True)
    for _ in range(150):
        broken, at = list(rows), rng.randrange(len(rows))
        damage = rng.randrange(3)
        if damage == 0:
            del broken[at]
        elif damage == 1:
            broken.insert(at, broken[at])
        else:
            digits = [n for n, sign in enumerate(broken[at]) if chr(sign).isdigit()]
            if digits:
                where = rng.choice(digits)
                other = str((broken[at][where] - 48 + rng.randrange(1, 10)) % 10).encode()
                broken[at] = broken[at][:where] + other + broken[at][where + 1 :]
        try:
            found = reading(tmp_path, name, b"".join(broken))
        except UserError:
            continue
        amounts = sorted(line.amount for line in found.lines)
        assert amounts == right or found.quarantined or found.loose, b"".join(broken).decode("latin-1")


def test_a_statement_that_does_not_add_up_is_held_back_whole(tmp_path: Path) -> None:
    found = reading(tmp_path, "statement.sta", MT940.replace("D63,06", "D36,06"))
    assert [len(statement.lines) for statement in found.statements] == [0]
    [held] = found.quarantined
    assert (held.field, held.lines) == ("closing balance", 3)
    assert (
        "statement.sta:2: closing balance '1271.44 EUR': opening 100.00 EUR + movements 1198.44 EUR"
        in found.problems()[0]
    )


def test_a_batch_whose_parts_do_not_add_up_is_held_back(tmp_path: Path) -> None:
    broken = CAMT.replace('<Amt Ccy="EUR">234.50</Amt>', '<Amt Ccy="EUR">233.50</Amt>')
    found = reading(tmp_path, "statement.xml", broken)
    assert {one.field for one in found.quarantined} == {"Ntry", "closing balance"}
    charged = broken.replace("<NtryDtls>", '<Chrgs><Rcrd><Amt Ccy="EUR">1.00</Amt></Rcrd></Chrgs><NtryDtls>')
    assert [line.amount for line in reading(tmp_path, "statement.xml", charged).lines] == [100_000, 23_350, 100, -6_306]


def test_what_is_pending_waits_until_it_is_booked(tmp_path: Path) -> None:
    found = reading(tmp_path, "statement.xml", CAMT.replace("<Sts>BOOK</Sts>", "<Sts>PDNG</Sts>"))
    assert "is not booked yet" in found.quarantined[0].problem


@pytest.mark.parametrize(
    "attack",
    [
        '<!DOCTYPE Document [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE Document [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE Document SYSTEM "http://evil.invalid/x.dtd">',
    ],
)
def test_xml_that_wants_more_than_to_be_read_is_refused(attack: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="document type"):
        reading(tmp_path, "statement.xml", CAMT.replace("<Document", attack + "<Document", 1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "Date,Amount\n01/02/2026,5.00\n03/04/2026,6.00\n",
            "may be 2026-02-01 .dmy. or 2026-01-02 .mdy., .* order of dates",
        ),
        ('Date,Amount\n2026-02-01,5.00\n2026-02-01,"6,00"\n', "declare its decimal sign"),
        ("When,How much\n2026-02-01,5.00\n", "no row has headings"),
    ],
)
def test_a_table_that_can_be_read_in_two_ways_asks(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        reading(tmp_path, "book.csv", text, currency="EUR")


def test_a_declared_table_is_read_as_declared(tmp_path: Path) -> None:
    text = "When|How much|Way\n01/02/2026|1,234|S\n03/04/2026|6|H\n"
    declared = {"booked": "When", "amount": "How much", "sign": "Way"}
    spec = {"columns": declared, "currency": "JPY", "date_order": "mdy", "decimal": ".", "account": "A"}
    found = reading(tmp_path, "book.csv", text, **spec)
    assert [(line.amount, line.booked) for line in found.lines] == [(-1234, date(2026, 1, 2)), (6, date(2026, 3, 4))]
    assert found.loose


def test_a_row_that_cannot_be_read_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    text = "Date,Amount,Description\n2026-02-01,5.00,a\n2026-02-30,6.00,b\n2026-02-03,x,c\n2026-02-04,7.001,d\n"
    found = reading(tmp_path, "book.csv", text, currency="EUR")
    assert [line.amount for line in found.lines] == [500]
    assert [one.number for one in found.quarantined] == [3, 4, 5]


def test_a_running_balance_must_run_and_a_total_must_be_one(tmp_path: Path) -> None:
    for broken in (CSV.replace("1.334,50", "1.434,50"), CSV.replace("1.171,44", "1.171,45")):
        found = reading(tmp_path, "book.csv", broken)
        assert found.statements == ()
        assert sum(one.lines for one in found.quarantined) >= 3


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030", "utf-8-sig"])
def test_chinese_text_survives_every_usual_encoding(encoding: str, tmp_path: Path) -> None:
    text = "日期,金额,对方户名,摘要\n2026-02-01,5.00,东方贸易有限公司,货款二月\n"
    [line] = reading(tmp_path, "book.csv", text.encode(encoding), currency="CNY").lines
    assert (line.name, line.text) == ("东方贸易有限公司", "货款二月")


def test_western_text_of_old_banks_is_not_taken_for_chinese(tmp_path: Path) -> None:
    text = "Datum;Betrag;Name\n01.02.2026;5,00;Überweisung Größe Straße\n13.02.2026;5,00;Café Ürün\n"
    lines = list(reading(tmp_path, "book.csv", text.encode("cp1252"), currency="EUR").lines)
    assert [line.name for line in lines] == ["Überweisung Größe Straße", "Café Ürün"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04broken", "cut off or damaged"),
        (b"a\0b", "zero bytes"),
        (b"<a>", "well-formed"),
    ],
)
def test_a_file_that_is_none_is_refused_with_the_reason(data: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        reading(tmp_path, "file.bin", data)
    with pytest.raises(UserError, match="cannot be read"):
        read(tmp_path / "missing.csv")


@pytest.mark.parametrize(
    ("text", "lines", "said"),
    [
        (CAMT.replace("UTF-8", "UTF-16").encode("utf-16"), 3, ""),
        (f"<Envelope><AppHdr/>{CAMT.partition('?>')[2]}</Envelope>".encode(), 3, ""),
        (
            CAMT.replace("</Document>", CAMT[CAMT.index("<BkToCstmrStmt>") :]).encode(),
            3,
            "it stands in the file already",
        ),
        (CAMT.replace('Ccy="EUR">63.06', 'Ccy="USD">63.06').encode(), 0, "the balances of its account are in EUR"),
        (
            MT940.replace("EUR1271,44", "USD1271,44").encode(),
            0,
            "balance is in EUR, the closing one in USD",
        ),
        (MT940.replace(":61:260303", ":61:260230").encode(), 3, ""),
        (OFX.replace("UTF-8", "USASCII\nCHARSET:1252").replace("INV-1", "Müller 东方").encode(), 3, ""),
        (OFX.replace("<FITID>B2", "<NAME>\n<FITID>B2<MEMO>\n").encode(), 3, ""),
        (OFX.replace("<NAME>M&amp;M", "<NAME><![CDATA[M&M]]>").encode("utf-16"), 3, ""),
        (
            OFX.replace("</BANKTRANLIST>", "<STMTTRNP><TRNAMT>7</STMTTRNP></BANKTRANLIST>").encode(),
            3,
            "is not booked yet",
        ),
        (BAI2.replace("98,396656", "98,396657").encode(), 3, "the totals of the group's accounts add up to 396656"),
        (BAI2.replace("99,396656,1", "99,396656,2").encode(), 3, "the file has 1"),
    ],
)
def test_odd_statements_are_read_or_named(text: bytes, lines: int, said: str, tmp_path: Path) -> None:
    found = reading(tmp_path, "statement", text)
    assert len(list(found.lines)) == lines
    assert said in " ".join(found.problems()) if said else found.quarantined == ()
    if found.format == "ofx":
        assert [(line.bank_id, line.name) for line in found.lines][:2] == [("B1", "M&M"), ("B2", "")]
        assert "Ã" not in next(iter(found.lines)).text


def test_charges_of_a_batch_may_be_a_total_or_be_told_twice(tmp_path: Path) -> None:
    gross = CAMT.replace('<Amt Ccy="EUR">234.50', '<Amt Ccy="EUR">236.00')
    total = gross.replace(
        "<NtryDtls>", '<Chrgs><TtlChrgsAndTaxAmt Ccy="EUR">1.50</TtlChrgsAndTaxAmt></Chrgs><NtryDtls>'
    )
    twice = total.replace("</Refs><Amt", '</Refs><Chrgs><Amt Ccy="EUR">0.75</Amt></Chrgs><Amt')
    for text in (total, twice):
        assert [line.amount for line in reading(tmp_path, "a.xml", text).lines] == [100_000, 23_600, -150, -6_306]
