"""Sources: every row ends in exactly one place, and every rejection says where and what to do."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from engine.contract import FieldProblem, validate_record
from engine.definition import Workflow
from engine.errors import UserError
from engine.loader import load_one
from engine.sources import SourceBatch, read_source
from engine.values import FieldSpec
from tests.engine.toy_registry import toy_registry

WORKFLOW = """
name: entry
app: erp
source:
  csv: invoices.csv
  reference: "${supplier}/${invoice_no}"
  tables:
    lines: {csv: lines.csv, on: [supplier, invoice_no]}
fields:
  supplier: {type: text, required: true}
  invoice_no: {type: text, required: true, pattern: "[A-Z0-9-]+"}
  day: {type: date, min: 2020-01-01}
  net: {type: money, min: 0.01}
  lines: {type: table, columns: {description: {type: text}, amount: {type: money, required: true}}}
steps:
  - open: /
"""
HEADER = "supplier,invoice_no,day,net\n"
LINES = "supplier,invoice_no,description,amount\n"


def workflow(folder: Path, text: str = WORKFLOW) -> Workflow:
    (folder / "apps").mkdir(exist_ok=True)
    (folder / "apps" / "erp.yaml").write_text("name: erp\nbase_url: http://127.0.0.1:1\n", encoding="utf-8")
    (folder / "entry.yaml").write_text(text, encoding="utf-8")
    return load_one(folder / "entry.yaml", toy_registry())


def batch(folder: Path, rows: str, lines: str = "") -> SourceBatch:
    (folder / "invoices.csv").write_text(HEADER + rows, encoding="utf-8")
    (folder / "lines.csv").write_text(LINES + lines, encoding="utf-8")
    return read_source(workflow(folder))


def test_a_record_is_typed_and_joined_with_its_rows(tmp_path: Path) -> None:
    read = batch(tmp_path, "上海恒通,A-1,2026-01-31,1234.5\n", "上海恒通,A-1,Paper,1000\n上海恒通,A-1,,234.50\n")
    assert read.rejected == []
    assert [(item.reference, item.origin) for item in read.items] == [("上海恒通/A-1", "invoices.csv:2")]
    assert read.items[0].payload == {
        "supplier": "上海恒通",
        "invoice_no": "A-1",
        "day": date(2026, 1, 31),
        "net": Decimal("1234.50"),
        "lines": [
            {"description": "Paper", "amount": Decimal(1000)},
            {"description": None, "amount": Decimal("234.50")},
        ],
    }


def test_an_invalid_record_keeps_its_reference_and_names_every_field(tmp_path: Path) -> None:
    read = batch(tmp_path, "Acme,a 1,31.01.2026,0\n", "Acme,a 1,Paper,1.005\nAcme,a 1,Ink,\nAcme,a 1,Pen,many\n")
    assert read.items == []
    rejected = read.rejected[0]
    assert (rejected.reference, rejected.origin) == ("Acme/a 1", "invoices.csv:2")
    assert [problem.split(":")[0] for problem in rejected.problems] == [
        "invoice_no",
        "day",
        "net",
        "lines[1].amount",
        "lines[2].amount",
        "lines[3].amount",
    ]
    assert rejected.raw["day"] == "31.01.2026"


@pytest.mark.parametrize(
    "number", ["1,234.50", "1.234,50", "1e3", "1_000", "NaN", "Infinity", "EUR 5", "5 €", "--5", "٣"]
)
def test_a_number_that_could_be_read_in_two_ways_is_refused(tmp_path: Path, number: str) -> None:
    read = batch(tmp_path, f'Acme,A-1,,"{number}"\n')
    assert "is not a number like 1234.50" in read.rejected[0].problems[0]


def test_the_same_row_twice_counts_once_and_is_told(tmp_path: Path) -> None:
    read = batch(tmp_path, "Acme,A-1,,5\nAcme,A-1,, 5\n")
    assert len(read.items) == 1
    assert [(row.reference, row.origin, row.first) for row in read.repeated] == [
        ("Acme/A-1", "invoices.csv:3", "invoices.csv:2")
    ]


def test_the_same_reference_with_other_data_is_a_conflict(tmp_path: Path) -> None:
    read = batch(tmp_path, "Acme,A-1,,5\nAcme,A-1,,6\n")
    assert len(read.items) == 1
    assert read.rejected[0].conflict
    assert read.rejected[0].reference == "Acme/A-1"
    assert "conflicts with invoices.csv:2" in read.rejected[0].problems[0]


def test_a_record_without_its_key_has_no_reference(tmp_path: Path) -> None:
    read = batch(tmp_path, ",A-1,,5\n")
    assert read.rejected[0].reference is None
    assert "no reference" in read.rejected[0].problems[0]


def test_ragged_rows_are_kept_and_never_guessed(tmp_path: Path) -> None:
    read = batch(tmp_path, "Acme,A-1,2026-01-31\nAcme,A-2,2026-01-31,5,6\nAcme,A-3,,7\n")
    assert [item.reference for item in read.items] == ["Acme/A-3"]
    assert [row.origin for row in read.rejected] == ["invoices.csv:2", "invoices.csv:3"]
    assert all("where the header has 4" in row.problems[0] for row in read.rejected)
    assert read.rejected[1].raw["(more)"] == "6"


def test_a_torn_row_of_a_table_holds_its_whole_record_back(tmp_path: Path) -> None:
    read = batch(tmp_path, "Acme,A-1,,5\n", "Acme,A-1,Paper,2\nAcme,A-1,3\n")
    assert read.items == []
    assert read.rejected[0].reference == "Acme/A-1"
    assert read.rejected[0].problems[0].startswith("lines: lines.csv:3 has 3 cells")


def test_rows_of_a_table_without_a_record_are_told(tmp_path: Path) -> None:
    read = batch(tmp_path, "Acme,A-1,,5\n", "Acme,A-9,Paper,2\n")
    assert [(row.origin, row.reference) for row in read.rejected] == [("lines.csv:2", None)]
    assert "belongs to no record" in read.rejected[0].problems[0]


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    read = batch(tmp_path, '"Acme\nLtd",A-1,,5\n\n,,,\nBeta,A-2,,x\n')
    assert read.items[0].payload["supplier"] == "Acme Ltd"
    assert read.rejected[0].origin == "invoices.csv:6"


def test_a_byte_order_mark_is_tolerated(tmp_path: Path) -> None:
    (tmp_path / "invoices.csv").write_bytes(("\ufeff" + HEADER + "Möller,A-1,,5\r\n").encode())
    (tmp_path / "lines.csv").write_text(LINES, encoding="utf-8")
    assert read_source(workflow(tmp_path)).items[0].reference == "Möller/A-1"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "invoices.csv:1: the file is empty"),
        (b"supplier;invoice_no;day;net\nA;1;;\n", "separated by commas"),
        (b"supplier,invoice_num\n", 'unknown column "invoice_num", did you mean "invoice_no"?'),
        (b"supplier,day\n", 'the column "invoice_no" is missing'),
        (b"supplier,invoice_no,net,net\n", 'the column "net" stands twice'),
        (b"supplier,invoice_no\nM\xf6ller,A-1\n", "invoices.csv:2: not UTF-8 (byte 0xf6)"),
        (b'supplier,invoice_no\nA,1\n"B,2\n', "invoices.csv:3"),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_why(tmp_path: Path, raw: bytes, words: str) -> None:
    (tmp_path / "invoices.csv").write_bytes(raw)
    (tmp_path / "lines.csv").write_text(LINES, encoding="utf-8")
    with pytest.raises(UserError) as raised:
        read_source(workflow(tmp_path))
    assert words in str(raised.value)


def test_a_missing_file_and_a_missing_source_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"lines\.csv: cannot be read"):
        read_source(workflow(tmp_path))
    bare = workflow(tmp_path, "name: entry\napp: erp\nsteps:\n  - open: /\n")
    with pytest.raises(UserError, match="names no source"):
        read_source(bare)


def test_other_files_may_be_read_instead(tmp_path: Path) -> None:
    here = workflow(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "january.csv").write_text(HEADER + "Acme,J-1,,5\n", encoding="utf-8")
    (other / "invoices.csv").write_text(HEADER + "Acme,I-1,,5\n", encoding="utf-8")
    (other / "lines.csv").write_text(LINES + "Acme,J-1,Paper,5\nAcme,I-1,Ink,5\n", encoding="utf-8")
    for source, reference in ((other / "january.csv", "Acme/J-1"), (other, "Acme/I-1")):
        item = read_source(here, source).items[0]
        assert item.reference == reference
        assert len(item.payload["lines"] or []) == 1  # type: ignore[arg-type]


JSONL = WORKFLOW.replace("csv: invoices.csv", "jsonl: invoices.jsonl").replace(
    "  tables:\n    lines: {csv: lines.csv, on: [supplier, invoice_no]}\n", ""
)


def test_json_lines_carry_numbers_exactly_and_rows_inside(tmp_path: Path) -> None:
    (tmp_path / "invoices.jsonl").write_text(
        '{"supplier": "Möller", "invoice_no": "A-1", "net": 90071992547409.93, "lines": [{"amount": 1.10}]}\n\n'
        '{"supplier": "Möller", "invoice_no": "A-2", "total": 5}\n'
        '{"supplier": "Möller", "supplier": "Acme", "invoice_no": "A-3"}\n'
        '{"supplier": ["a"], "invoice_no": "A-4", "lines": [{"amount": 1, "vat": 2}]}\n'
        '{"supplier": "x", "invoice_no": "A-5", "net": NaN}\n'
        "[1]\n"
        "{\n",
        encoding="utf-8",
    )
    read = read_source(workflow(tmp_path, JSONL))
    assert [item.payload["net"] for item in read.items] == [Decimal("90071992547409.93")]
    assert read.items[0].payload["lines"] == [{"description": None, "amount": Decimal("1.10")}]
    told = {row.origin: " ".join(row.problems) for row in read.rejected}
    assert 'unknown field "total"' in told["invoices.jsonl:3"]
    assert 'the key "supplier" stands twice' in told["invoices.jsonl:4"]
    assert "expected one value" in told["invoices.jsonl:5"]
    assert "lines[1].vat" in told["invoices.jsonl:5"]
    assert "NaN" in told["invoices.jsonl:6"]
    assert "not a JSON object" in told["invoices.jsonl:7"]
    assert "not a JSON object" in told["invoices.jsonl:8"]


def test_an_empty_json_lines_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "invoices.jsonl").write_text("\n", encoding="utf-8")
    with pytest.raises(UserError, match="is empty"):
        read_source(workflow(tmp_path, JSONL))


@pytest.mark.parametrize(
    ("spec", "value", "problem"),
    [
        (FieldSpec(type="text", required=True), None, "is required"),
        (FieldSpec(type="text", required=True), "", "is required"),
        (FieldSpec(type="text", max_length=3), "上海恒通", "is 4 characters long, at most 3 are allowed"),
        (FieldSpec(type="text", pattern="[A-Z]+"), "ABC\n", "holds a control character or half of a character"),
        (FieldSpec(type="text", pattern="[A-Z]+"), "ABCd", "'ABCd' does not match [A-Z]+"),
        (FieldSpec(type="choice", options=("EUR", "USD")), "eur", "'eur' is not one of EUR, USD"),
        (FieldSpec(type="integer", min=Decimal(2)), 1, "1 is less than 2"),
        (FieldSpec(type="money", max=Decimal(5)), Decimal("5.01"), "5.01 is more than 5"),
        (FieldSpec(type="money"), Decimal("5.001"), "5.001 has more than 2 decimals"),
        (FieldSpec(type="date", min=date(2020, 1, 1)), date(1999, 1, 1), "1999-01-01 is less than 2020-01-01"),
        (FieldSpec(type="date"), "2026-01-01", "is not a value of type date"),
        (FieldSpec(type="integer"), True, "is not a value of type integer"),
        (FieldSpec(type="table", min_rows=1, columns={}), [], "needs at least 1 row(s)"),
        (FieldSpec(type="table", min_rows=2, columns={}), [{}], "needs at least 2 row(s), has 1"),
    ],
)
def test_a_contract_says_what_is_wrong(spec: FieldSpec, value: object, problem: str) -> None:
    found = validate_record({"x": value}, {"x": spec})  # type: ignore[dict-item]
    assert FieldProblem("x", problem) in found


def test_a_contract_passes_what_is_right() -> None:
    fields = {
        "a": FieldSpec(type="text"),
        "b": FieldSpec(type="money", currency="KWD", min=Decimal(0)),
        "c": FieldSpec(type="boolean", required=True),
        "d": FieldSpec(type="table", min_rows=1, columns={"e": FieldSpec(type="integer")}),
    }
    assert validate_record({"a": None, "b": Decimal("1.005"), "c": False, "d": [{"e": 1}]}, fields) == []
    wrong = validate_record({"c": True, "d": [{"e": 1}, {"e": "x"}], "z": 1}, fields)
    assert [str(problem) for problem in wrong] == [
        "z: is not a field of the contract",
        "d[2].e: is not a value of type integer",
    ]
