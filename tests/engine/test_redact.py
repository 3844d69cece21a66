from __future__ import annotations

import base64
import html
import io
import json
import threading
import zipfile
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.redact import SHORTEST, Redactor
from engine.secret_forms import MARK

NASTY = "p&ä\"s's <w>/ör\\d+=%李"


def knowing(*values: str) -> Redactor:
    redactor = Redactor()
    for value in values:
        redactor.add(value)
    return redactor


@pytest.mark.parametrize(
    "leak",
    [
        NASTY,
        json.dumps({"password": NASTY}),
        json.dumps({"password": NASTY}, ensure_ascii=False),
        json.dumps({"postData": json.dumps({"password": NASTY}, ensure_ascii=False)}, ensure_ascii=False),
        json.dumps({"postData": urlencode({"password": NASTY})}),
        json.dumps(["snapshot", f'<input value="{html.escape(NASTY)}">']),
        json.dumps(NASTY).replace("/", "\\/"),
        json.dumps(NASTY).replace("<", "\\u003c"),
        json.dumps(NASTY, ensure_ascii=False)
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .replace("'", "\\u0027"),
        quote(NASTY),
        quote(NASTY, safe=""),
        quote(NASTY, safe="").lower(),
        quote_plus(NASTY),
        urlencode({"user": "bot", "password": NASTY}),
        html.escape(NASTY),
        html.escape(NASTY, quote=False),
        repr(NASTY),
        repr("it's: " + NASTY),
        repr(NASTY.encode()),
        f"ValueError({NASTY!a})",
    ],
)
def test_takes_a_secret_out_in_every_form_it_travels_in(leak: str) -> None:
    scrubbed = knowing(NASTY).scrub(f"before {leak} after")

    assert MARK in scrubbed
    assert scrubbed.startswith("before ")
    assert scrubbed.endswith(" after")
    for trace in ("ör", "%C3%B6r", "\\u00f6r", "\\xf6r", "\\xc3\\xb6r", "s's", "s%27s"):
        assert trace.lower() not in scrubbed.lower()


@given(st.binary(max_size=9), st.text(min_size=4, max_size=20), st.binary(max_size=9))
def test_finds_a_secret_inside_base64_at_every_alignment(before: bytes, secret: str, after: bytes) -> None:
    data = before + secret.encode("utf-8", "surrogatepass") + after
    redactor = knowing(secret)

    assert redactor.contains(base64.b64encode(data).decode())
    assert redactor.contains(base64.urlsafe_b64encode(data).decode())


@given(st.lists(st.text("ab*", min_size=4, max_size=6), min_size=1, max_size=4), st.text("ab*c", max_size=60))
def test_nothing_scrubbed_still_holds_a_secret(secrets: list[str], text: str) -> None:
    redactor = knowing(*secrets)

    assert not any(secret in redactor.scrub(text) for secret in secrets)
    assert not any(secret.encode() in redactor.scrub_bytes(text.encode()) for secret in secrets)


def test_finds_the_longest_of_many_values_that_begin_alike() -> None:
    values = ["session", "session-1", "session-12", "session-2", "sess[i]on"]

    assert knowing(*values).scrub(" ".join(values)) == " ".join([MARK] * 5)
    assert knowing(*values).scrub("sess session-123 sessi") == f"sess {MARK}3 sessi"


def test_the_longer_of_two_secrets_goes_first_so_that_no_tail_stays() -> None:
    assert knowing("hunter", "hunter-and-more").scrub("say hunter-and-more!") == f"say {MARK}!"


def test_text_without_a_secret_comes_back_as_it_was() -> None:
    redactor = knowing(NASTY)
    binary = bytes(range(256)) * 4

    assert redactor.scrub("发票已保存 50 % <b>") == "发票已保存 50 % <b>"
    assert redactor.scrub_bytes(binary) is binary
    assert not redactor.contains("password")


def test_short_values_are_not_taken_out_and_a_cookie_can_ask_for_more() -> None:
    redactor = Redactor()

    assert not redactor.add("abc")
    assert not redactor.add("light", at_least=16)
    assert redactor.add("x" * SHORTEST)
    assert redactor.scrub("abc light xxxx") == f"abc light {MARK}"


def test_data_keeps_its_shape_and_loses_its_secrets_in_keys_values_and_numbers() -> None:
    redactor = knowing("hunter2!", "4711")
    data = {
        "hunter2!": [1, 4711, 2.5, float("inf"), None, True],
        "lines": ({"note": "is hunter2!"},),
        "raw": b"\xff hunter2!",
    }

    scrubbed = redactor.scrub_data(data)

    assert scrubbed == {
        MARK: [1, MARK, 2.5, "inf", None, True],
        "lines": [{"note": f"is {MARK}"}],
        "raw": f"\\xff {MARK}",
    }
    assert json.loads(json.dumps(scrubbed, allow_nan=False)) == scrubbed


def zipped(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


def members_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_trace_loses_the_secret_and_keeps_every_other_byte(tmp_path: Path) -> None:
    picture = bytes(range(256)) * 64
    trace = tmp_path / "trace.zip"
    trace.write_bytes(
        zipped(
            {
                "trace.network": json.dumps({"postData": urlencode({"password": NASTY})}).encode(),
                "resources/1.jpeg": picture,
                "resources/export.xlsx": zipped({"sheet.xml": html.escape(NASTY).encode(), "logo.png": picture}),
                "resources/note-hunter2!.txt": b"ok",
            }
        )
    )

    assert knowing(NASTY, "hunter2!").scrub_zip(trace)

    found = members_of(trace.read_bytes())
    assert json.loads(found["trace.network"]) == {"postData": f"password={MARK}"}
    assert found["resources/1.jpeg"] == picture
    assert members_of(found["resources/export.xlsx"]) == {"sheet.xml": MARK.encode(), "logo.png": picture}
    assert found[f"resources/note-{MARK}.txt"] == b"ok"
    assert [path.name for path in tmp_path.iterdir()] == ["trace.zip"]


def test_a_trace_without_a_secret_is_not_written_at_all(tmp_path: Path) -> None:
    trace = tmp_path / "trace.zip"
    trace.write_bytes(zipped({"trace.network": b"{}"}))
    before = trace.stat().st_ino, trace.read_bytes()

    assert not knowing(NASTY).scrub_zip(trace)
    assert (trace.stat().st_ino, trace.read_bytes()) == before


def test_an_archive_inside_that_cannot_be_opened_is_left_out(tmp_path: Path) -> None:
    trace = tmp_path / "trace.zip"
    trace.write_bytes(zipped({"resources/broken.zip": zipped({"a": b"x" * 999})[:-30], "kept": b"kept"}))

    assert knowing(NASTY).scrub_zip(trace)
    found = members_of(trace.read_bytes())
    assert found["resources/broken.zip"].startswith(b"removed")
    assert found["kept"] == b"kept"


def test_a_damaged_trace_is_refused_and_not_called_clean(tmp_path: Path) -> None:
    trace = tmp_path / "trace.zip"
    whole = zipped({"trace.network": b"hunter2! " * 500, "other": b"y" * 5000})
    flipped = bytearray(whole)
    flipped[60] ^= 0xFF
    for damaged in (b"no archive", whole[:-40], bytes(flipped)):
        trace.write_bytes(damaged)
        with pytest.raises(zipfile.BadZipFile):
            knowing("hunter2!").scrub_zip(trace)
        assert [path.name for path in tmp_path.iterdir()] == ["trace.zip"]


def test_files_are_scrubbed_in_place_whatever_they_are_called(tmp_path: Path) -> None:
    redactor = knowing("hunter2!")
    page, download = tmp_path / "page.html", tmp_path / "download.xlsx"
    page.write_text("<p>李 hunter2!</p>", encoding="utf-8")
    download.write_bytes(zipped({"sheet.xml": b"hunter2!"}))

    assert redactor.scrub_file(page)
    assert redactor.scrub_file(download)
    assert not redactor.scrub_file(page)
    assert page.read_text(encoding="utf-8") == f"<p>李 {MARK}</p>"
    assert members_of(download.read_bytes()) == {"sheet.xml": MARK.encode()}


def test_threads_may_add_and_scrub_at_the_same_time() -> None:
    redactor = Redactor()
    leaks: list[str] = []

    def work(number: int) -> None:
        for turn in range(20):
            secret = f"secret-{number}-{turn}-end"
            redactor.add(secret)
            leaks.extend(word for word in [redactor.scrub(secret)] if word != MARK)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert leaks == []
    assert redactor.scrub("secret-0-0-end secret-3-19-end") == f"{MARK} {MARK}"
