"""A real browser, how a visitor comes to the page, and how a test waits: for what the page says, never for a time."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, Response, expect

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ("--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
         "--disable-component-update --disable-sync").split()
LOAD, SOON, LONG = 60_000, 40_000, 160_000
expect.set_options(timeout=SOON)  # how long to look for what the page should say, on a machine that is busy
IDLE = "() => new Promise((idle) => requestIdleCallback(() => requestIdleCallback(idle)))"


def visit(browser: Browser, url: str, width: int = 1440, height: int = 900) -> Page:
    page = browser.new_page(viewport={"width": width, "height": height}, accept_downloads=True)
    with page.expect_response(asks_the_page, timeout=LOAD):  # what the server says to a page that opens
        page.goto(url, timeout=LOAD)
    expect(page.locator("#start")).to_be_enabled(timeout=LOAD)
    expect(page.locator("#status")).to_contain_text(re.compile(r"\w"), timeout=LOAD)
    return page


def finetuned(browser: Browser, url: str, width: int = 1440, height: int = 900) -> Page:
    """A page whose visitor has pressed Start, and whose run has just finished; its address leads to it."""
    page = visit(browser, url, width, height)
    page.locator("#start").click()
    expect(page.locator("#status")).to_contain_text("Finished", timeout=LONG)
    page.wait_for_url(re.compile("job="))
    return page


def asks_the_page(response: Response) -> bool:
    return "/run/predict" in response.url  # the address of the page may have parts of its own behind it


def holds(page: Page, condition: str) -> None:
    """Waits until a JavaScript expression on the page is true."""
    page.wait_for_function(condition, timeout=SOON)


def settled(read: Callable[[], float], page: Page, good: Callable[[float], bool]) -> bool:
    """Reads after each turn of the browser until the value is good; False when it never is."""
    for _ in range(200):
        if good(read()):
            return True
        page.evaluate(IDLE)
    return False


def slider(page: Page, attribute: str, name: str):
    return page.locator(f"#slider-{attribute}-{name} input[type=number]")


def unfold(page: Page, words: str, inside: str) -> None:
    """Opens an accordion, and waits until what is inside can be typed into.

    gradio makes a component when it first comes to sight, and until the browser has nothing left to do it puts the
    component's first value back over whatever is typed.
    """
    page.get_by_role("button", name=words).click()
    expect(page.locator(inside)).to_be_visible()
    page.evaluate(IDLE)


def type_number(page: Page, field: str, value: str) -> None:
    number = page.locator(f"{field} input[type=number]")
    number.fill(value)
    number.press("Enter")
    expect(number).to_have_value(value)
