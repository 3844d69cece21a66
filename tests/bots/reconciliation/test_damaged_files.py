"""What damaged, hostile and huge files do to the readers; each case was found by `benchmarks.readers`, or attacks."""

from __future__ import annotations

import io
import json
import random
import time
import zipfile
from pathlib import Path

import pytest

from benchmarks.readers import damage, own_files, sample
from bots.reconciliation.readers.registry import read, read_record
from engine.errors import UserError
from tests.bots.reconciliation.samples import BAI2, BOT, CAMT, CSV, MT940, OFX, SAMPLES
from tests.bots.reconciliation.test_readers import reading


def test_damaged_copies_of_each_format_lose_nothing_in_silence(tmp_path: Path) -> None:
    bases = [sample(tmp_path, path.name, path.read_bytes()) for path in own_files(tmp_path / "own")]
    bases += [sample(tmp_path, *given) for given in SAMPLES.values()]
    assert sum(one.marks is not None for one in bases) >= 8
    told = damage(tmp_path, bases, 30 * len(bases), random.Random(2), show=3)  # noqa: S311
    assert (told["crashes"], told["silent_losses"]) == (0, 0)


TWO = "Date,Amount,Currency,Text\n2026-02-01,5.00,EUR,a\n2026-02-02,6.00,EUR,b\n2026-02-03,7.00,EUR,c\n"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("above.csv", "2026-02-01,5.00,EUR,a\n" + TWO, "stands above the headings"),
        ("ragged.csv", TWO.replace("6.00,EUR", "6.00EUR"), "it has 3 cells, the headings are 4"),
        ("quote.csv", TWO.replace("EUR,a", 'EUR,"a').replace("EUR,b", 'EUR,b"'), "swallow the 1 rows that follow"),
        ("date.csv", TWO.replace("2026-02-02", "2026Q02-02"), "no date that is read here"),
        ("sign.csv", "Date,Amount,Currency,D/C\n2026-02-01,5.00,EUR,C\n2026-02-02,5.00,EUR,X\n", "neither debit nor"),
        ("untagged.sta", MT940.replace(":61:2603030302C234,5", ":01:2603030302C234,5"), "its tag is not :61:"),
        ("outside.xml", CAMT.replace("</BkToCstmrStmt>", "<Ntry/></BkToCstmrStmt>"), "stand outside of the statements"),
        ("amounts.ofx", OFX.replace("<TRNAMT>-63.06", "<TRNAMT>-63.06<TRNAMT>1.00"), "hold two amounts"),
        ("code.bai", BAI2.replace("16,475,", "1b,475,"), "is no record code"),
        ("count.bai", BAI2.replace("49,396656,7", "49,396656,8"), "the account has 7"),
    ],
)
def test_what_is_damaged_is_named(name: str, text: str, said: str, tmp_path: Path) -> None:
    found = reading(tmp_path, name, text)
    assert said in " ".join(found.problems())


def test_bookings_that_are_held_back_are_counted_once(tmp_path: Path) -> None:
    broken = MT940.replace(":62F:C260304EUR1271,44", ":62F:C260304EUR1271,45\n:90C:1EUR1,\n:90D:1EUR1,")
    found = reading(tmp_path, "statement.sta", broken)
    assert len(found.quarantined) == 4
    assert sum(one.lines for one in found.quarantined) == 3


def test_a_statement_within_a_statement_has_its_lines_once(tmp_path: Path) -> None:
    found = reading(tmp_path, "twice.ofx", OFX.replace("<STMTRS><CURDEF>EUR", "<STMTRS><CURDEF>EUR<STMTRS><CURDEF>EUR"))
    assert [line.amount for line in found.lines] == [100_000, 23_450, -6_306]


def test_a_running_balance_says_which_amount_it_does_not_tie(tmp_path: Path) -> None:
    assert reading(tmp_path, "book.csv", CSV).loose == ()
    untied = reading(tmp_path, "book.csv", CSV.replace("Summe;;1.171,44;;;\n", ""))
    assert "line 3: its amount is the first under a running balance" in untied.loose[0]


def test_one_damaged_byte_does_not_garble_every_name(tmp_path: Path) -> None:
    data = "日期,金额,对方户名\n2026-02-01,5.00,东方贸易有限公司\n".encode()
    with pytest.raises(UserError, match="line 2 holds bytes that are no UTF-8"):
        reading(tmp_path, "book.csv", data.replace("东".encode(), b"\xe4\xb8"), currency="CNY")


def bomb() -> bytes:
    """Return a small workbook that claims to unpack to a terabyte."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/worksheets/sheet1.xml", b"<a/>" + b" " * 10_000_000)
    return packed.getvalue().replace((10_000_004).to_bytes(4, "little"), (0xFFFFFFF0).to_bytes(4, "little"))


def laughs() -> str:
    """Return entities that come to a gigabyte."""
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!DOCTYPE a [<!ENTITY a0 "ha">{entities}]><a>&a9;</a>'


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("laughs.xml", laughs().encode(), "document type|well-formed"),
        ("deep.xml", b"<a>" * 200_000, "well-formed"),
        ("deep.ofx", b"OFXHEADER:100\n<OFX>" + b"<A>" * 200_000, "nested deeper than 100"),
        ("deep.json", b"[{" + b"[" * 200_000, "no JSON"),
        ("bomb.xlsx", bomb(), "unpacks to"),
        ("wide.csv", b'Date,Amount\n2026-01-01,"' + b"1" * 2_000_000 + b'"\n', "no CSV"),
    ],
)
def test_an_attack_is_refused_at_once(name: str, data: bytes, said: str, tmp_path: Path) -> None:
    began = time.process_time()
    with pytest.raises(UserError, match=said):
        reading(tmp_path, name, data)
    assert time.process_time() - began < 10


def test_a_long_text_takes_no_longer_than_its_length(tmp_path: Path) -> None:
    began = time.process_time()
    reading(tmp_path, "long.sta", MT940.replace("?20EREF", "\n".join(["x" * 60] * 40_000) + "?20EREF"))
    assert time.process_time() - began < 10


def test_what_a_bot_brought_is_read_rows_or_download(tmp_path: Path) -> None:
    rows = json.loads(BOT)
    found = read_record(rows, tmp_path, "open items")
    assert (found.format, found.path.name, [line.amount for line in found.lines]) == (
        "bot",
        "open items.json",
        [100_000, 23_450, -6_306],
    )
    (tmp_path / "items.csv").write_text(CSV, encoding="utf-8")
    digest = read(tmp_path / "items.csv").sha256
    kept = [{"file": "items.csv", "sha256": digest, "size": len(CSV)}]
    assert read_record(kept, tmp_path, "items").format == "csv"
    with pytest.raises(UserError, match="not the file that was downloaded"):
        read_record([{**kept[0], "sha256": "0"}], tmp_path, "items")
    with pytest.raises(UserError, match="no download and no table"):
        read_record("nothing", tmp_path, "items")
    with pytest.raises(UserError, match="no row has headings"):
        read_record([], tmp_path, "items")
