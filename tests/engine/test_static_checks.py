"""Rules that refuse what would lose money; the wording is in fixtures/workflows/broken, the borders are here."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.loader import load
from engine.words import is_secret_word
from tests.engine.toy_registry import toy_registry

HEAD = """
name: entry
app: erp
fields:
  supplier: {type: text}
  invoice_no: {type: text}
  total: {type: money}
  lines: {type: table, columns: {amount: {type: money}}}
"""
COMMIT = (
    '  - commit: {click: {button: Save}, confirm: {text: Saved}, find: {open: "/i?q=${item.invoice_no}", row: x}}\n'
)
DOUBT = "  - commit: {click: {button: Save}, confirm: {text: Saved}, in_doubt: review}\n"
READ = "  - read: {total: {field: Total}}\n"
SOURCE = 'source: {csv: invoices.csv, reference: "${invoice_no}"}\n'
CHECKS = "checks:\n  - read_back: all\n"


def rules(folder: Path, rest: str, app: str = "") -> list[str]:
    (folder / "apps").mkdir(exist_ok=True)
    (folder / "apps" / "erp.yaml").write_text(f"name: erp\nbase_url: https://erp.example\n{app}", encoding="utf-8")
    (folder / "entry.yaml").write_text(HEAD + rest, encoding="utf-8")
    workflows, problems = load([folder], toy_registry())
    assert bool(workflows) is not bool(problems)
    return [problem.rule for problem in problems]


def steps(*lines: str) -> str:
    return "steps:\n" + "".join(line if line.startswith("  - ") else f"  - {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (steps("open: /", COMMIT, READ) + CHECKS, []),
        (steps("open: /", DOUBT, READ) + CHECKS, []),
        (steps("open: /", DOUBT), []),
        (steps("open: /", COMMIT) + CHECKS, ["commit", "read"]),
        (steps("open: /", COMMIT, READ, "open: /x", "fill: {A: b}", DOUBT) + CHECKS, ["commit"]),
        (steps("open: /", COMMIT, COMMIT, READ) + CHECKS, ["commit"]),
        (steps("open: /", COMMIT, READ, COMMIT) + CHECKS, ["commit", "commit"]),
        (steps("open: /", COMMIT, "open: /x", READ) + CHECKS, ["commit"]),
        (steps("open: /", "  - commit: {click: {button: Save}, confirm: {text: Saved}}\n"), ["commit"]),
        (steps("fill: {A: b}"), ["segment"]),
        (steps(COMMIT, READ), ["segment"]),
    ],
)
def test_a_commit_is_provable_and_read_before_the_next(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert rules(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("limit", "expected"), [("3m", []), ("32s", ["time"]), ("32500ms", []), ("5s", ["time"]), ("soon", ["value"])]
)
def test_an_items_limit_leaves_room_for_its_commit(tmp_path: Path, limit: str, expected: list[str]) -> None:
    """Click window 2 s and submit time-out 30 s are the defaults of an application."""
    assert rules(tmp_path, steps("open: /", COMMIT, READ) + f"time: {{limit: {limit}}}\n") == expected


def test_a_limit_is_no_matter_without_a_commit(tmp_path: Path) -> None:
    assert rules(tmp_path, steps("open: /") + "time: {limit: 5s}\n") == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/", []),
        ("/a/b?c=d#e", []),
        ("/i/${item.invoice_no}", []),
        ("https://erp.example/i", ["host"]),
        ("https://evil.example/i", ["host"]),
        ("//evil.example", ["host"]),
        ("/\\\\evil.example", ["host"]),
        ("javascript:alert(1)", ["host"]),
        ("file:///etc/passwd", ["host"]),
        ("invoices", ["host"]),
        ("${item.supplier}", ["host"]),
        ("${record.url}", ["reference"]),
    ],
)
def test_an_address_is_a_path_of_the_application(tmp_path: Path, address: str, expected: list[str]) -> None:
    assert rules(tmp_path, steps(f'open: "{address}"')) == expected


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 6 * * mon-fri", []),
        ("*/5 8-18 1,15 * *", []),
        ("0 6 * * mon,thu", []),
        ("0 6 * * 1-5", ["cron"]),
        ("0 6 * * sun-4", ["cron"]),
        ("0 6 * * 0", ["cron"]),
        ("0 6 * *", ["cron"]),
        ("60 6 * * *", ["cron"]),
        ("0 6 * * monday-funday", ["cron"]),
        ("@daily", ["cron"]),
    ],
)
def test_a_schedule_means_the_same_to_everyone(tmp_path: Path, cron: str, expected: list[str]) -> None:
    assert rules(tmp_path, steps("open: /") + SOURCE + f'schedule: {{cron: "{cron}"}}\n') == expected


@pytest.mark.parametrize(
    ("zone", "expected"),
    [("Europe/Berlin", []), ("UTC", []), ("Mars", ["timezone"]), ("../../etc", ["timezone"]), ("/etc", ["timezone"])],
)
def test_a_time_zone_exists(tmp_path: Path, zone: str, expected: list[str]) -> None:
    assert (
        rules(tmp_path, steps("open: /") + SOURCE + f'schedule: {{cron: "0 6 * * *", timezone: "{zone}"}}\n')
        == expected
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('fill: {Password: "${secret:erp_password}"}', []),
        ('fill: {Password: "${item.supplier}"}', []),
        ("fill: {Password: hunter2}", ["secret"]),
        ('fill: {Password: "${param.word}"}', ["reference", "secret"]),
        ('fill: {Password: "x${item.supplier}"}', ["secret"]),
        ('fill: {Note: "pw ${secret:erp_password}"}', ["secret"]),
        ('open: "/login?pw=${secret:erp_password}"', ["secret"]),
        ('expect: {text: "${secret:erp_password}"}', ["secret"]),
        ("fill: {Shipping address: Pin Street 4}", []),
        ("fill: {Spinner: on}", []),
    ],
)
def test_a_secret_is_never_written_and_only_typed(tmp_path: Path, line: str, expected: list[str]) -> None:
    assert sorted(rules(tmp_path, steps("open: /", line))) == expected


@pytest.mark.parametrize(
    "word", ["Password", "passwort", "api_key", "API key", "accessToken", "PIN", "user secret", "密码"]
)
def test_words_that_name_secrets(word: str) -> None:
    assert is_secret_word(word)


@pytest.mark.parametrize("word", ["Pinboard", "shipping", "Opinion", "secretary", "Tokenize", "Passenger", "field"])
def test_words_that_only_look_like_them(word: str) -> None:
    assert not is_secret_word(word)


@pytest.mark.parametrize(
    ("app", "expected"),
    [
        ("session: {login: [{open: /login}, {fill: {Password: '${secret:pw}'}}]}\n", []),
        ("session: {login: [{open: /login}, {fill: {Password: hunter2}}]}\n", ["secret"]),
        ("session: {login: [{fill: {Password: '${secret:pw}'}}]}\n", ["segment"]),
        ("session: {login: [{open: 'https://other.example'}]}\n", ["host"]),
        ("session: {login: [{open: /}, {fill: {User: '${item.supplier}'}}]}\n", ["reference"]),
        (f"session:\n  login:\n    - open: /\n  {DOUBT}", ["commit"]),
        ("allowed_hosts: [cdn.example]\n", ["host"]),
        ("allowed_hosts: [erp.example, 'https://cdn.example']\n", ["host"]),
        ("allowed_hosts: [erp.example, cdn.example]\n", []),
    ],
)
def test_an_application_is_entered_safely(tmp_path: Path, app: str, expected: list[str]) -> None:
    assert rules(tmp_path, steps("open: /"), app) == expected


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ('correction:\n  - open: "${record.url}"\n' + COMMIT, []),
        ('correction:\n  - open: "${record.url}"\n' + READ, ["commit"]),
        ('correction:\n  - open: "${record.id}"\n' + COMMIT, ["host", "reference"]),
        ("correction:\n  - fill: {A: b}\n" + COMMIT, ["segment"]),
    ],
)
def test_a_correction_starts_at_the_record_and_saves(tmp_path: Path, rest: str, expected: list[str]) -> None:
    assert sorted(rules(tmp_path, steps("open: /") + rest)) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('rows: {table: L, each: "${item.lines}", columns: {A: "${row.amount}"}}', []),
        ('rows: {table: L, each: "${item.lines}", columns: {A: "${row.amont}"}}', ["reference"]),
        ('rows: {table: L, each: "${item.total}", columns: {A: b}}', ["reference"]),
        ('rows: {table: L, each: "all ${item.lines}", columns: {A: b}}', ["reference"]),
        ('fill: {A: "${row.amount}"}', ["reference"]),
        ('fill: {A: "${item.lines}"}', ["reference"]),
        ('fill: {A: "$${item.lines}"}', []),
    ],
)
def test_rows_are_known_only_within_their_table(tmp_path: Path, line: str, expected: list[str]) -> None:
    assert rules(tmp_path, steps("open: /", line)) == expected


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("read_back: [total]", []),
        ("read_back: [supplier]", ["read"]),
        ("read_back: [totl]", ["field"]),
        ("rule: {sum_of: lines.amount, equals: total}", []),
        ("rule: {sum_of: lines.amont, equals: total}", ["field"]),
        ("rule: {sum: [total, tax], equals: totl}", ["field", "field"]),
    ],
)
def test_checks_name_what_is_there(tmp_path: Path, check: str, expected: list[str]) -> None:
    assert rules(tmp_path, steps("open: /", READ) + f"checks:\n  - {check}\n") == expected
