"""The house rules that no linter knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = [
    path
    for folder in ("engine", "bots", "qc_models", "console", "fixtures", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "versions" not in path.parts
] + [ROOT / "runner.py"]
SQL = re.compile(r"\bsa\.(select|insert|update|delete)\(|\bSELECT\b .*\bFROM\b|\bINSERT INTO\b")
REGISTRIES = ("pypi", "debian", "npm" + "js")
ADDRESS = re.compile(
    "index" + r"-url|https?://[^\s\"']*(" + "|".join(REGISTRIES) + r")[^\s\"']*|^" + "deb http", re.MULTILINE
)


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_a_person_can_hold(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350


def test_sql_is_written_in_the_ledger_and_in_the_bulk_passes_only() -> None:
    offenders = [
        str(path.relative_to(ROOT))
        for path in PRODUCT
        if not any(
            path.is_relative_to(ROOT / place)
            for place in ("engine/ledger", "bots/reconciliation/matching", "fixtures", "benchmarks")
        )
        and SQL.search(path.read_text(encoding="utf-8"))
    ]
    assert offenders == []


def test_one_broad_except_in_the_whole_product() -> None:
    broad = [
        str(path.relative_to(ROOT))
        for path in PRODUCT
        if re.search(
            r"^\s*except( Exception| BaseException)?( as \w+)?:", path.read_text(encoding="utf-8"), re.MULTILINE
        )
        and not path.is_relative_to(ROOT / "fixtures")
    ]
    assert broad == ["engine/worker.py"]


def test_no_package_address_stands_in_the_repository() -> None:
    files = [path for path in ROOT.glob("*") if path.is_file()] + [*(ROOT / ".ci").glob("*")]
    assert [path.name for path in files if ADDRESS.search(path.read_text(encoding="utf-8", errors="replace"))] == []


def test_nothing_imports_the_command_line() -> None:
    packages = [path for path in PRODUCT if path.name != "runner.py" and "benchmarks" not in path.parts]
    pattern = re.compile(r"^\s*(import runner|from runner import)", re.MULTILINE)
    assert [str(path) for path in packages if pattern.search(path.read_text(encoding="utf-8"))] == []
