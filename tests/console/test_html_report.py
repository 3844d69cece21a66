from __future__ import annotations

import base64
import re
import shutil
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from console.html_report import write_run_report
from console.pictures import MAX_PICTURES, MAX_TOTAL
from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger import reviews
from engine.ledger.runs import NewItem, RejectedInput
from engine.ports import Finding
from tests.console.story import Story, flag, invoice

HOSTILE = '<script>document.title="owned"</script>/"><img src=x onerror="document.title=1">'
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////"
    "////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA="
)


def write(story: Story, folder: Path, run_id: int = 1) -> str:
    page = write_run_report(story.database, story.evidence, story.workflow, run_id, folder / "run.html")
    return page.read_text(encoding="utf-8")


def eventful(story: Story) -> None:
    """Tell a run in which everything happens once."""
    rejected = [RejectedInput(f"x.csv:9 {HOSTILE}", (f"no key {HOSTILE}",), {})]
    bad = NewItem("bad/1", {"total": "abc"}, "x.csv:2", ("total: 'abc' is not an amount of money",))
    story.open([invoice(1), invoice(2, reference=HOSTILE), invoice(3), invoice(4), bad], rejected=rejected)
    story.passes(seconds=20)
    story.flags(Finding(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE), screenshot=JPEG)
    story.dies()
    story.recovers("absent")
    story.fails()
    story.passes()
    story.audit({1: 2})
    reviews.decide(story.database, 2, "reject", HOSTILE, workflow=story.workflow, reason=HOSTILE)


@pytest.fixture
def page(story: Story, tmp_path: Path) -> str:
    eventful(story)
    return write(story, tmp_path)


def test_everything_that_happened_is_on_the_page(page: str, story: Story) -> None:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    for part in (
        story.workflow.hash,
        "Straight-through rate 40.0 %",
        "95 %: 5.3 to 85.3 %, 2 of 5",
        "baseline 60.0 %, target 95.0 %",
        "target missed",
        "not known yet",
        "3 of 4 keys",
        "duplicate 东方贸易有限公司/RE-0001",
        "it never arrived: entered once more",
        "the worker died",
        "the page did not answer within 10 s",
        "standard 15.0 s",
    ):
        assert part in text, part


def test_hostile_values_are_only_text(page: str) -> None:
    assert "<script" not in page
    assert "<img src=x" not in page
    assert page.count("&lt;script&gt;") >= 8  # reference, findings, review, source row, timeline
    assert "default-src 'none'" in page
    assert not re.search(r"""(src|href)=["'](?!data:image/jpeg;base64,|http://erp\.invalid/)""", page)


def test_a_record_address_that_is_no_web_page_is_no_link(story: Story, tmp_path: Path) -> None:
    story.open([NewItem("bad/1", {}, "x.csv:2", ("no total",), record_url="javascript:alert(1)")])
    page = write(story, tmp_path)
    assert "bad/1" in page
    assert "javascript:" not in page


def test_screenshots_are_embedded_up_to_a_limit_and_linked_beyond(story: Story, tmp_path: Path) -> None:
    story.open(60)
    size = MAX_TOTAL // MAX_PICTURES + 1
    for _ in range(60):
        story.flags(screenshot=JPEG + bytes(size - len(JPEG)))
    page = write(story, tmp_path / "reports")
    assert page.count("data:image/jpeg") == MAX_PICTURES - 1
    assert page.count('href="../evidence/run-000001/item-') == 60 - MAX_PICTURES + 1
    assert len(page.encode()) < 5_000_000


def test_a_picture_that_was_changed_is_not_shown(story: Story, tmp_path: Path) -> None:
    story.open(2)
    story.flags(screenshot=JPEG)
    story.flags(screenshot=JPEG)
    evidence = tmp_path / "evidence" / "run-000001"
    (evidence / "item-000001" / "attempt-1" / "record.jpg").write_bytes(JPEG + b"forged")
    shutil.rmtree(evidence / "item-000002")
    page = write(story, tmp_path)
    assert "data:image" not in page
    assert page.count("missing or is no longer what was sealed") == 2


def test_what_is_no_jpeg_is_never_embedded_as_one(story: Story, tmp_path: Path) -> None:
    story.open(1)
    story.flags(screenshot=b"<svg onload=alert(1)>")
    assert "data:image" not in write(story, tmp_path)


def test_personal_data_is_not_copied_out_of_the_ledger(story: Story, tmp_path: Path) -> None:
    story.open([invoice(1), NewItem("bad/2", {"iban": "SECRET"}, "x.csv:3", ("iban: 'SECRET' is too long",))])
    story.flags(flag("iban", expected="DE11SECRET", observed="DE12SECRET"))
    fields = story.workflow.fields
    sensitive = {**fields, "iban": fields["iban"].model_copy(update={"sensitive": True})}
    workflow = Workflow(**{**vars(story.workflow), "fields": sensitive})
    path = write_run_report(story.database, story.evidence, workflow, 1, tmp_path / "run.html")
    page = path.read_text(encoding="utf-8")
    assert "SECRET" not in page
    assert page.count("hidden (personal data)") == 4


def test_a_run_of_nothing_and_a_run_under_way_have_a_page_too(story: Story, tmp_path: Path) -> None:
    story.open([])
    assert "Nothing was enqueued" in write(story, tmp_path, 1)
    story.open(2)
    story.claim()
    page = write(story, tmp_path, 2)
    assert "2 still open" in page
    assert "Not made yet" in page


def test_a_page_that_cannot_be_written_is_the_users_mistake(story: Story, tmp_path: Path) -> None:
    story.open(1)
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be written"):
        write_run_report(story.database, story.evidence, story.workflow, 1, tmp_path / "file" / "run.html")
    with pytest.raises(UserError, match="no run 9"):
        write(story, tmp_path, 9)


async def test_the_page_holds_in_a_real_browser_on_desk_and_phone(page: str, tmp_path: Path) -> None:
    assert page
    shell = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shell, args=["--no-sandbox"])
        asked: list[str] = []
        backgrounds = set()
        for width, scheme in ((1200, "light"), (390, "dark")):
            context = await browser.new_context(
                viewport={"width": width, "height": 800},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            tab = await context.new_page()
            tab.on("request", lambda request: asked.append(request.url[:60]))
            await tab.goto((tmp_path / "run.html").as_uri())
            assert await tab.title() == "Run 1: invoice-entry"
            assert await tab.evaluate("document.documentElement.scrollWidth") <= width
            assert await tab.locator("img").count() == 1
            assert await tab.locator("img").evaluate_all("all => all.every(one => one.naturalWidth > 0)")
            assert await tab.locator("svg").count() >= 9
            backgrounds.add(await tab.evaluate("getComputedStyle(document.body).backgroundColor"))
            await context.close()
        await browser.close()
    assert len(backgrounds) == 2
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
