"""A real browser, and how a visitor comes to the page."""

import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ("--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
         "--disable-component-update --disable-sync").split()
LOAD, SOON = 60_000, 40_000



def visit(browser: Browser, url: str, width: int = 1440, height: int = 900) -> Page:
    page = browser.new_page(viewport={"width": width, "height": height}, accept_downloads=True)
    page.goto(url)
    expect(page.locator("#start")).to_be_enabled(timeout=LOAD)
    expect(page.locator("#status")).to_contain_text(re.compile(r"\w"), timeout=LOAD)
    return page


def slider(page: Page, attribute: str, name: str):
    return page.locator(f"#slider-{attribute}-{name} input[type=number]")


def type_number(page: Page, slider: str, value: str) -> None:
    """Types into a slider that has just come to sight: for a moment gradio still puts its first value back."""
    number = page.locator(f"{slider} input[type=number]")
    for _ in range(5):
        number.fill(value)
        number.press("Enter")
        page.wait_for_timeout(500)
        if number.input_value() == value:
            return
