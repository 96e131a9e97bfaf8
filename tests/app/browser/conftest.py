"""A browser for every test of the page; a server and a finished run for those of a file that need none of their own."""

import pytest
from helpers.browser import CHROMIUM, FLAGS, finetuned
from helpers.fake_engine import fake_engine
from playwright.sync_api import sync_playwright


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served(serve_all):
    """On the engine double; its runs are seen by all tests of the file."""
    return serve_all(fake_engine(.01))


@pytest.fixture(scope="module")
def address(browser, served) -> str:
    """Of a run that is finished."""
    page = finetuned(browser, served.url)
    page.close()
    return page.url
