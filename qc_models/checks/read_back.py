"""The application must show what was meant: every field read back equals the payload, typed, to the cent."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, RootModel

from engine.ports import Case, Finding
from engine.values import FieldSpec, Scalar, Value, display, equal

_TEXT = FieldSpec.model_validate({"type": "text"})


class ReadBackParams(RootModel[Literal["all"] | tuple[str, ...]]):
    """`all`, or the names of the fields that must have been read and be equal."""

    model_config = ConfigDict(frozen=True)

    shorthand: ClassVar[str | None] = None

    def named(self) -> tuple[str, ...]:
        """Return the fields that the check names, for the checks of a definition."""
        return () if self.root == "all" else self.root


def read_back(params: ReadBackParams, case: Case, models: Any) -> list[Finding]:
    """Compare what was read with what was meant; a field of the contract that was not read is a finding too."""
    del models
    names = tuple(case.fields) if params.root == "all" else params.root
    found: list[Finding] = []
    for name in names:
        found.extend(_field(name, case))
    return found


def _field(name: str, case: Case) -> list[Finding]:
    meant, spec = case.payload.get(name), case.fields.get(name)
    if name not in case.record:
        if meant in (None, "", []):
            return []
        return [_finding("not_read", name, f"{name} was entered but not read back", _text(meant, spec), None)]
    seen = case.record[name]
    if spec is not None and spec.type == "table":
        return _table(name, spec, _rows(meant), _rows(seen))
    if equal(meant, seen):
        return []
    wanted, shown = _text(meant, spec), _text(seen, spec)
    message = f"{name} should be {wanted or 'empty'}, the application shows {shown or 'nothing'}"
    return [_finding("not_equal", name, message, wanted, shown)]


def _table(name: str, spec: FieldSpec, meant: list[dict[str, Scalar]], seen: list[dict[str, Scalar]]) -> list[Finding]:
    if len(meant) != len(seen):
        message = f"{name} should have {len(meant)} rows, the application shows {len(seen)}"
        return [_finding("row_count", name, message, str(len(meant)), str(len(seen)))]
    columns = spec.columns or {column: _TEXT for row in meant for column in row}
    found = []
    for number, (wanted, shown) in enumerate(zip(meant, seen, strict=True), start=1):
        for column, kind in columns.items():
            left, right = wanted.get(column), shown.get(column)
            if equal(left, right):
                continue
            place = f"row {number} of {name}, {column},"
            if column not in shown:
                found.append(_finding("not_read", name, f"{place} was not read back", _text(left, kind), None))
                continue
            texts = _text(left, kind), _text(right, kind)
            message = f"{place} should be {texts[0] or 'empty'}, the application shows {texts[1] or 'nothing'}"
            found.append(_finding("not_equal", name, message, *texts))
    return found


def _rows(value: Value) -> list[dict[str, Scalar]]:
    return value if isinstance(value, list) else []


def _text(value: Value, spec: FieldSpec | None) -> str:
    if isinstance(value, list):
        return f"{len(value)} rows"
    return display(value, money=spec is not None and spec.type == "money")


def _finding(code: str, field: str, message: str, expected: str | None, observed: str | None) -> Finding:
    return Finding("read_back", code, message, field, expected, observed)
