"""The peer of `benchmarks.entry`: what a developer writes by hand with Playwright, with nothing around it.

No queue, no ledger, no retry, no read-back on a fresh page, no inspection: log in once, then per invoice fill the form,
save, wait for the message, read the fields that the page shows, take a picture.
"""

from __future__ import annotations

import asyncio
import csv
import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from bots.browser import find_browser, launch

LABELS = {
    "invoice_no": "Invoice number",
    "purchase_order": "Purchase order",
    "iban": "IBAN",
}
MONEY = {"net": "Net amount", "tax": "Tax amount", "total": "Total"}
DATES = {"invoice_date": "Invoice date", "due_date": "Due date"}
CHOICES = {"supplier": "Supplier", "currency": "Currency", "cost_center": "Cost center", "tax_rate": "Tax rate"}
WARM_UP = 2
"""Invoices entered before the clock starts."""
SHOWN = ("Supplier", "Invoice number", "Invoice date", "Due date", "Currency", "Total")


def read_records(folder: Path) -> list[dict[str, Any]]:
    """Read invoices with their lines."""
    lines: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    with (folder / "invoice_lines.csv").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            lines[row["supplier"], row["invoice_no"]].append(row)
    with (folder / "invoices.csv").open(encoding="utf-8", newline="") as handle:
        return [{**row, "lines": lines[row["supplier"], row["invoice_no"]]} for row in csv.DictReader(handle)]


async def login(page: Page, url: str, user: str, password: str) -> None:
    """Log in as a person does."""
    await page.goto(f"{url}/login")
    await page.get_by_label("User name").fill(user)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("button", name="Sign out").wait_for()


async def enter(page: Page, url: str, record: dict[str, Any], pictures: Path) -> None:
    """Key one invoice."""
    await page.goto(f"{url}/invoices/new")
    for name, label in CHOICES.items():
        await page.get_by_label(label, exact=True).select_option(label=record[name])
    for name, label in {**LABELS, **MONEY}.items():
        await page.get_by_label(label, exact=True).fill(record[name])
    for name, label in DATES.items():
        year, month, day = record[name].split("-")
        await page.get_by_label(label, exact=True).fill(f"{day}.{month}.{year}")
    for number, line in enumerate(record["lines"]):
        if number:
            await page.get_by_role("button", name="Add line").click()
        cells = page.get_by_role("table", name="Lines").locator("tbody tr").nth(number).locator("input")
        for column, name in enumerate(("description", "quantity", "unit_price", "amount")):
            await cells.nth(column).fill(line[name])
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.get_by_text("Invoice saved").wait_for()
    for label in SHOWN:
        await page.locator("dt", has_text=label).locator("xpath=following-sibling::dd[1]").first.inner_text()
    safe = "".join(c if c.isalnum() else "-" for c in record["invoice_no"])
    await page.screenshot(path=pictures / f"{safe}.png")


async def slot(
    browser: Browser,
    job: dict[str, Any],
    warm_up: list[dict[str, Any]],
    records: list[dict[str, Any]],
    ready: asyncio.Barrier,
) -> None:
    """Warm up, wait for the other slots, then work off the shared list in a context of its own."""
    context = await browser.new_context()
    page = await context.new_page()
    await login(page, job["url"], job["user"], job["password"])
    for record in warm_up:
        await enter(page, job["url"], record, Path(job["folder"]))
    await ready.wait()
    while records:
        await enter(page, job["url"], records.pop(0), Path(job["folder"]))


async def main() -> None:
    """Run the job given as JSON on the command line; print seconds from the first invoice to the last."""
    job = json.loads(sys.argv[1])
    records = read_records(Path(job["folder"]))
    async with async_playwright() as playwright:
        browser = await launch(playwright, find_browser(), allowed_hosts=("127.0.0.1",))
        ready = asyncio.Barrier(job["slots"] + 1)
        warm_up, records = records[:WARM_UP], records[WARM_UP:]
        slots = [
            asyncio.create_task(slot(browser, job, warm_up if number == 0 else [], records, ready))
            for number in range(job["slots"])
        ]
        await ready.wait()
        started = time.perf_counter()
        await asyncio.gather(*slots)
        print(json.dumps({"seconds": time.perf_counter() - started}))
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
