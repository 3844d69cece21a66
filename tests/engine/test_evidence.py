from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from engine.errors import SystemException
from engine.evidence import EvidenceFile, EvidenceStore, FieldDiff, field_diff
from engine.redact import Redactor
from engine.secret_forms import MARK
from engine.values import FieldSpec, Record

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    redactor = Redactor()
    redactor.add("hunter2!")
    return EvidenceStore(tmp_path / "evidence", redactor)


def test_folders_are_made_of_numbers_only(store: EvidenceStore) -> None:
    folder = store.folder(12, 34, 1)

    assert folder.is_dir()
    assert folder.relative_to(store.root).as_posix() == "run-000012/item-000034/attempt-1"
    assert store.folder(12, 34, 1) == folder


def test_json_is_typed_sorted_utf8_and_free_of_secrets(store: EvidenceStore) -> None:
    data = {"z": Decimal("1.50"), "a": date(2026, 1, 5), "李": ["hunter2!", "bad \udc80"]}

    path = store.write_json(store.folder(1, 2, 1) / "payload.json", data)

    text = path.read_text(encoding="utf-8")
    assert list(json.loads(text).items()) == [("a", "2026-01-05"), ("z", "1.50"), ("李", [MARK, "bad \udc80"])]
    assert "李" in text
    assert [file.name for file in path.parent.iterdir()] == ["payload.json"]


def test_a_sealed_file_is_verified_until_one_byte_changes(store: EvidenceStore) -> None:
    path = store.write_json(store.folder(1, 2, 1) / "payload.json", {"total": "1.50"})

    sealed = store.seal(path, "payload")

    data = path.read_bytes()
    assert sealed == EvidenceFile(
        "payload", "run-000001/item-000002/attempt-1/payload.json", hashlib.sha256(data).hexdigest(), len(data)
    )
    assert store.verify(sealed)
    path.write_bytes(data.replace(b"1.50", b"1.60"))
    assert not store.verify(sealed)
    path.unlink()
    assert not store.verify(sealed)


def test_a_trace_is_scrubbed_before_it_is_sealed(store: EvidenceStore) -> None:
    path = store.folder(1, 2, 1) / "trace.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as trace:
        trace.writestr("trace.network", '{"postData": "password=hunter2%21"}')

    sealed = store.seal(path, "trace")

    with zipfile.ZipFile(path) as trace:
        assert trace.read("trace.network") == f'{{"postData": "password={MARK}"}}'.encode()
    assert store.verify(sealed)


def test_a_damaged_trace_is_deleted_because_nobody_can_say_what_it_holds(store: EvidenceStore) -> None:
    path = store.write_bytes(store.folder(1, 2, 1) / "trace.zip", b"PK\x03\x04 hunter2!")

    with pytest.raises(SystemException, match="damaged") as caught:
        store.seal(path, "trace")
    assert caught.value.code == "evidence_not_written"
    assert not path.exists()


def test_a_path_out_of_the_store_is_refused(store: EvidenceStore, tmp_path: Path) -> None:
    outside = tmp_path / "passwords.txt"
    outside.write_text("x", encoding="utf-8")
    sealed = EvidenceFile("payload", "../passwords.txt", hashlib.sha256(b"x").hexdigest(), 1)

    assert not store.verify(sealed)
    assert not store.verify(replace(sealed, path=outside.as_posix()))
    for path in (outside, store.folder(1, 2, 1) / "../../../../passwords.txt", store.root):
        with pytest.raises(ValueError, match="not inside"):
            store.seal(path, "payload")
        with pytest.raises(ValueError, match="not inside"):
            store.write_json(path, {})


@contextmanager
def no_room_over(size: int) -> Iterator[None]:
    """Let the kernel itself refuse to write more, as a quota does."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_a_system_exception_and_the_old_file_stays_whole(store: EvidenceStore) -> None:
    path = store.write_json(store.folder(1, 2, 1) / "payload.json", {"total": 1})
    before = path.read_bytes()

    with no_room_over(1000), pytest.raises(SystemException) as caught:
        store.write_json(path, {"text": "x" * 100_000})

    assert caught.value.code == "evidence_not_written"
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["payload.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_device_is_named_as_such(store: EvidenceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    # Every temporary file becomes a link to the always full device, so that the real ENOSPC comes back.
    folder = store.folder(1, 2, 1)
    real_open = os.open

    def open_full(_path: str, _flags: int, mode: int = 0o777) -> int:
        return real_open("/dev/full", os.O_RDWR, mode)

    monkeypatch.setattr(os, "open", open_full)
    with pytest.raises(SystemException, match="the disk is full"):
        store.write_bytes(folder / "picture.jpg", b"x" * 100_000)


def test_a_missing_file_cannot_be_sealed(store: EvidenceStore) -> None:
    with pytest.raises(SystemException, match=r"record\.jpg: No such file"):
        store.seal(store.folder(1, 2, 1) / "record.jpg", "screenshot")


def test_a_root_that_is_a_file_is_a_system_exception(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("in the way", encoding="utf-8")

    with pytest.raises(SystemException, match="attempt-1: "):
        EvidenceStore(tmp_path / "evidence", Redactor()).folder(1, 2, 1)


def test_what_was_kept_of_an_item_is_forgotten_whole_and_nothing_else(store: EvidenceStore) -> None:
    gone = [store.write_json(store.folder(1, 1, attempt) / "payload.json", {}) for attempt in (1, 2)]
    (gone[0].parent / "not sealed.jpg").write_bytes(b"a picture")
    other = store.write_json(store.folder(1, 11, 1) / "payload.json", {})

    assert store.forget(1, 1) == 3
    assert not gone[0].parent.parent.exists()
    assert other.exists()
    assert store.forget(1, 1) == 0
    assert store.forget(1, 11) == 1
    assert list(store.root.iterdir()) == [], "no empty folder is left"


def test_two_workers_may_forget_the_same_item_at_once(store: EvidenceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for attempt in (1, 2):
        store.write_json(store.folder(1, 1, attempt) / "payload.json", {})
    others = [store.root / "run-000001" / "item-000001" / "attempt-1" / "payload.json"]

    def raced(folder: Path) -> None:
        while others:
            others.pop().unlink()  # between the look into the folder and the deletion
            raise FileNotFoundError(2, "No such file or directory")
        rmtree(folder)

    rmtree = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", raced)
    store.forget(1, 1)
    assert list(store.root.iterdir()) == []


def contract(**fields: object) -> dict[str, FieldSpec]:
    return {
        name: FieldSpec.model_validate(spec if isinstance(spec, dict) else {"type": spec})
        for name, spec in fields.items()
    }


FIELDS = contract(
    supplier="text",
    invoice_date="date",
    total="money",
    note="text",
    lines={"type": "table", "columns": contract(text="text", amount="money", unit="text")},
)


def test_the_diff_compares_types_and_not_texts() -> None:
    payload: Record = {
        "supplier": "李  Co",
        "invoice_date": date(2026, 1, 5),
        "total": Decimal("10.5"),
        "note": None,
    }
    record: Record = {
        "supplier": "李 Co",
        "invoice_date": date(2026, 5, 1),
        "total": Decimal("10.50"),
        "note": "",
        "app_id": "7",
    }

    assert field_diff(payload, record, FIELDS) == [
        FieldDiff("supplier", "李  Co", "李 Co", equal=True),
        FieldDiff("invoice_date", "2026-01-05", "2026-05-01", equal=False),
        FieldDiff("total", "10.50", "10.50", equal=True),
        FieldDiff("note", None, None, equal=True),
    ]


def test_the_diff_of_a_table_names_row_and_column() -> None:
    payload: Record = {
        "lines": [
            {"text": "Bolt", "amount": Decimal("1.00"), "unit": "kg"},
            {"text": "Nut", "amount": Decimal("2.00"), "unit": "kg"},
            {"text": "Rod", "amount": Decimal("3.00"), "unit": "m"},
        ]
    }
    record: Record = {
        "lines": [{"text": "Bolt", "amount": Decimal("1.00")}, {"text": "Nut", "amount": Decimal("2.10")}]
    }

    assert field_diff(payload, record, FIELDS) == [
        FieldDiff("lines[1].text", "Bolt", "Bolt", equal=True),
        FieldDiff("lines[1].amount", "1.00", "1.00", equal=True),
        FieldDiff("lines[2].text", "Nut", "Nut", equal=True),
        FieldDiff("lines[2].amount", "2.00", "2.10", equal=False),
        FieldDiff("lines[3]", "Rod | 3.00 | m", None, equal=False),
    ]
    assert field_diff({"lines": []}, {"lines": [{"text": "Rod", "amount": None}]}, FIELDS) == [
        FieldDiff("lines[1]", None, "Rod |  | ", equal=False)
    ]
    assert field_diff({}, {"lines": []}, FIELDS) == [FieldDiff("lines", None, None, equal=True)]
