"""YAML as people write it: nothing silently changed, every position known, never a traceback."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.yaml_source import MAX_BYTES, Document, Problem, parse, read, suggest, unknown


def parsed(text: str) -> Document:
    document, problems = parse("f.yaml", text)
    assert problems == []
    assert document is not None
    return document


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("12:30", "12:30"),
        ("190:20:30", "190:20:30"),
        ("007", "007"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("2026-01-31", "2026-01-31"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("42", 42),
        ("-0.10", Decimal("-0.10")),
        ("12345678901234567.89", Decimal("12345678901234567.89")),
        (".5", ".5"),
        ("'42'", "42"),
        ("!!str 42", "42"),
        ("上海恒通", "上海恒通"),
    ],
)
def test_a_scalar_is_what_it_looks_like(written: str, value: object) -> None:
    found = parsed(f"key: {written}\n").data["key"]
    assert found == value
    assert type(found) is type(value)


def test_every_key_and_value_has_a_position() -> None:
    document = parsed("a:\n  - b: 1\n    c: [x, y]\n")
    mark = document.marks["a", 0, "c", 1]
    assert (mark.line, mark.col) == (3, 12)
    assert str(document.problem(("a", 0, "c"), "wrong", "rule")) == "f.yaml:3:8: wrong [rule]"
    assert str(document.problem(("a", 0, "c"), "wrong", "rule", key=True)) == "f.yaml:3:5: wrong [rule]"
    assert str(document.problem(("a", 0, "gone"), "wrong", "rule")) == "f.yaml:2:5: wrong [rule]"


def test_columns_count_characters_not_bytes() -> None:
    document = parsed("{上海: 1, b: 2}")
    assert document.marks["b",].key_col == 9


def test_a_duplicate_key_names_both_places_and_the_first_stands() -> None:
    document, problems = parse("f.yaml", "a: 1\nb: 2\na: 3\n")
    assert [str(problem) for problem in problems] == [
        'f.yaml:3:1: the key "a" stands twice, first at 1:1 [duplicate-key]'
    ]
    assert document is not None
    assert document.data == {"a": 1, "b": 2}


def test_aliases_share_values_but_cannot_explode_or_hold_themselves() -> None:
    assert parsed("a: &x {b: 1}\nc: *x\n").data == {"a": {"b": 1}, "c": {"b": 1}}
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"{n}: &{n} [{', '.join([f'*{p}'] * 10)}]\n" for p, n in zip("abcde", "bcdef", strict=True))
    assert parse("f.yaml", bomb)[1][0].rule == "size"
    assert "contains itself" in parse("f.yaml", "a: &a [*a]\n")[1][0].message


@pytest.mark.parametrize(
    ("raw", "line", "col", "words"),
    [
        (b"", 1, 1, "empty"),
        (b"# only this\n", 1, 1, "empty"),
        (b"a:\n\tb: 1\n", 2, 1, "tab"),
        (b"a: 1\nb: \xff\n", 2, 4, "not UTF-8"),
        ("a: ä\n".encode("utf-16"), 1, 1, "not UTF-8"),
        (b"a: \x07\n", 1, 4, "U+0007"),
        (b"a: [1\n", 2, 1, "bracket"),
        (b"a: b: c\n", 1, 5, "second"),
        (b"- a\n", 1, 1, "must be a mapping"),
        (b"text\n", 1, 1, "must be a mapping"),
        (b"a: 1\n---\nb: 2\n", 2, 1, "one definition"),
        (b"a: *nope\n", 1, 4, "nope"),
        (b"a: !!python/object/apply:os.system [ls]\n", 1, 4, "not allowed"),
        (b"? [a]\n: 1\n", 1, 3, "plain word"),
        (b"a: " + b"[" * 500, 1, 43, "deeply"),
        (b"a: " + b"9" * 9000, 1, 4, "not a number"),
        (b"a: " + b"x" * MAX_BYTES, 1, 1, "larger"),
    ],
)
def test_what_is_not_a_definition_is_said_in_words(raw: bytes, line: int, col: int, words: str) -> None:
    _, problems = read("f.yaml", raw)
    assert [(p.line, p.col) for p in problems] == [(line, col)]
    assert words in problems[0].message


def test_a_byte_order_mark_and_windows_line_ends_are_ordinary() -> None:
    document, problems = read("f.yaml", "\ufeffa: 1\r\nb: x\r\n".encode())
    assert problems == []
    assert document is not None
    assert document.data == {"a": 1, "b": "x"}


@given(st.text(alphabet=st.sampled_from("ab:-{}[]&*!|>'\"%@`#,? \n\t1.~"), max_size=60))
def test_nothing_that_is_typed_raises(text: str) -> None:
    document, problems = parse("f.yaml", text)
    assert document is not None or problems
    assert all(problem.line >= 1 and problem.col >= 1 and problem.message for problem in problems)


@given(st.binary(max_size=60))
def test_no_bytes_raise(raw: bytes) -> None:
    document, problems = read("f.yaml", raw)
    assert document is not None or problems


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("retires", "retry"),
        ("fil", "fill"),
        ("Attempts", "attempts"),
        ("max-wait", "max_wait"),
        ("teleport", None),
        ("x", None),
    ],
)
def test_a_suggestion_must_be_close(word: str, meant: str | None) -> None:
    assert suggest(word, ["retry", "fill", "attempts", "max_wait", "open"]) == meant


def test_an_unknown_word_is_told_with_the_known_ones() -> None:
    assert unknown("step", "opne", ["open", "fill"]) == 'unknown step "opne", did you mean "open"? known: fill, open'
    assert unknown("step", "zzz", []) == 'unknown step "zzz"; known: none'


def test_problems_sort_by_place() -> None:
    later, first = Problem("b.yaml", 2, 1, "x", "r"), Problem("b.yaml", 1, 9, "x", "r")
    assert sorted([later, first]) == [first, later]
