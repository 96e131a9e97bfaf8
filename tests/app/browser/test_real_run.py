"""A whole tiny run through the page, in a real browser, on the real engine and the built-in model."""

import re
from pathlib import Path

import pytest
from helpers.browser import unfold, visit
from playwright.sync_api import expect
from safetensors.torch import load_file

from app.engine import fairness_engine
from app.launch import RECORDED

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG = 240_000


@pytest.fixture(scope="module", autouse=True)
def report_in_zips() -> None:
    """The engine's own."""


def test_a_tiny_run_of_the_built_in_model(browser, serve):
    """The recorded run first, then start, progress, compare, download; what is downloaded is an adapter."""
    page = visit(browser, serve(fairness_engine(), recorded=RECORDED).url)
    expect(page.locator("#origin")).to_contain_text("Recorded run")
    expect(page.locator("#pairs .pair").first).to_be_visible()

    unfold(page, "Advanced", "#set-steps")
    for name, value in (("steps", "2"), ("images_per_prompt", "2"), ("sampling_steps", "2"), ("compare_images", "2"),
                        ("compare_trained", "1"), ("compare_held_out", "1")):
        page.locator(f"#set-{name} input").fill(value)
        page.locator(f"#set-{name} input").press("Enter")
    page.locator("#start").click()
    expect(page.locator("#status")).to_contain_text(re.compile("Step [12] of 2|Comparing|Finished"), timeout=LONG)
    expect(page.locator("#status")).to_contain_text("Finished: 2 steps, 2 prompts compared", timeout=LONG)
    expect(page.locator("#origin")).to_contain_text("Your run")
    expect(page.locator("#pairs .pair")).to_have_count(2)
    with page.expect_download() as download:
        page.locator("#download-adapter").click()
    assert all("text_encoder" in key for key in load_file(Path(download.value.path())))
    page.close()
