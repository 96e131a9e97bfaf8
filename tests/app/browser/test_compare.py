"""The compare room and what must not move, in a real browser, on the engine double."""

import re
from collections.abc import Iterator

import pytest
from helpers.browser import LONG, SOON, unfold, visit
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def shown(browser, address) -> Iterator[Page]:
    """A page that shows a finished run."""
    page = visit(browser, address)
    expect(page.locator("#status")).to_contain_text("Finished", timeout=LONG)
    expect(page.locator("#compare")).to_be_visible(timeout=LONG)
    yield page
    page.close()


@pytest.fixture
def compared(shown) -> Page:
    shown.keyboard.press("Escape")
    shown.get_by_role("tab", name="Balance").click()
    return shown


def test_a_correction_changes_the_table_and_can_be_undone(compared):
    before = compared.locator("#pairs .pair").nth(3).inner_text()
    compared.locator("#pairs .pair").nth(3).click()
    expect(compared.get_by_role("dialog")).to_contain_text("no. 3 (4 of 16)")
    unfold(compared, "The classifier got it wrong?", "#fix-class")
    compared.locator("#fix-class input").click()
    compared.get_by_role("option", name="No face in this picture").click()
    compared.locator("#fix").click()
    expect(compared.locator("#fixes")).to_contain_text("debiased no. 3: no face", timeout=SOON)
    expect(compared.locator("#pairs .pair").nth(3)).to_contain_text("no face found")
    expect(compared.locator("#viewer .view-words")).to_contain_text("Debiased: no face found")
    compared.locator("#unfix").click()
    expect(compared.locator("#fixes")).not_to_contain_text("no face", timeout=SOON)
    expect(compared.locator("#pairs .pair").nth(3)).to_have_text(before, use_inner_text=True)


def test_figures_of_all_prompts(compared):
    unfold(compared, "All figures", "#distribution")
    expect(compared.locator("#outcomes")).to_contain_text("No face", timeout=SOON)
    expect(compared.locator("#joint .js-plotly-plot")).to_be_visible(timeout=SOON)
    compared.locator("#joint-pair input").click()
    compared.get_by_role("option", name="Perceived gender × age").click()
    expect(compared.locator("#joint")).to_contain_text("perceived age", timeout=SOON)


def test_what_must_not_move(compared):
    compared.get_by_role("tab", name="Must not move").click()
    expect(compared.locator("#moved")).to_contain_text("Not painted yet", timeout=SOON)
    compared.locator("#check").click()
    expect(compared.locator("#check-status")).to_contain_text("9 prompts compared", timeout=LONG)
    expect(compared.locator("#moved")).to_contain_text(re.compile(
        r"Of 9 prompts \d moved, \d kept what they say, \d cannot be told"))
    expect(compared.locator("#moved tbody tr")).to_have_count(9)
    expect(compared.locator("#check-pairs .pair")).to_have_count(16)
    compared.reload()
    expect(compared.locator("#compare")).to_be_visible(timeout=LONG)
    compared.get_by_role("tab", name="Must not move").click()
    expect(compared.locator("#moved tbody tr")).to_have_count(9, timeout=LONG)


def test_more_images_and_other_prompts_join_those_that_are_there(compared):
    first = compared.locator("#pairs img").first.get_attribute("src")
    unfold(compared, "Other prompts", "#other-prompts")
    compared.locator("#other-prompts input").fill("a smiling barista")
    compared.locator("#other-prompts input").press("Enter")
    expect(compared.locator("#other-prompts .token")).to_have_text("a smiling barista", timeout=SOON)
    compared.locator("#add-prompts").click()
    expect(compared.locator("#origin")).to_contain_text("7 prompts", timeout=LONG)
    button = compared.locator("#more-images")
    expect(button).to_have_text(re.compile(r"Paint \d+ more images per prompt \(no. 16 to \d+\)"), timeout=LONG)
    wanted = int(re.search(r"Paint (\d+)", button.inner_text()).group(1))
    button.click()
    expect(compared.locator("#origin")).to_contain_text(f"{16 + wanted} images each", timeout=LONG)
    expect(compared.locator("#pairs .pair")).to_have_count(16 + wanted, timeout=LONG)
    assert len(first) > 100 and compared.locator("#pairs img").first.get_attribute("alt").startswith("original no. 0")


def test_the_gradient_lab_measures_live(browser, served):
    page = visit(browser, served.url)
    page.get_by_role("tab", name="Gradient lab").click()
    expect(page.locator("#lab-empty")).to_contain_text("Nothing measured yet", timeout=SOON)
    page.locator("#lab-steps input").fill("3")
    page.locator("#lab-start").click()
    expect(page.locator("#lab-scales .js-plotly-plot")).to_be_visible(timeout=LONG)
    expect(page.locator("#lab-status")).to_contain_text("Finished: 56 of 56 measurements", timeout=LONG)
    expect(page.locator("#lab-losses-words")).to_contain_text("the adjusted gradient ended lowest")
    expect(page.locator("#lab-scales-words")).to_contain_text("the mean scale differs by")
    page.close()
