"""One viewer for pairs, by mouse and by keyboard: next, previous, the slider, a strength that repaints one pair in place."""

import re
from collections.abc import Iterator

import pytest
from helpers.browser import LONG, SOON, holds, visit
from helpers.fake_engine import Recorder, fake_engine
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def served(serve_all, recorder):
    return serve_all(fake_engine(.01, recorder))


@pytest.fixture(scope="module")
def shown(browser, address) -> Iterator[Page]:
    page = visit(browser, address)
    expect(page.locator("#status")).to_contain_text("Finished", timeout=LONG)
    yield page
    page.close()


@pytest.fixture
def opened(shown) -> Iterator[Page]:
    """The viewer on the third pair of a finished run."""
    shown.get_by_role("tab", name="Balance").click()
    shown.locator("#pairs .pair").nth(2).press("Enter")
    expect(shown.get_by_role("dialog", name=re.compile(r"“.+”, no. 2 \(3 of 16\)"))).to_be_visible()
    yield shown
    shown.keyboard.press("Escape")


def test_it_is_walked_through_by_the_keyboard_alone(opened):
    dialog = opened.get_by_role("dialog")
    opened.keyboard.press("ArrowRight")
    expect(dialog).to_contain_text("no. 3 (4 of 16)")
    opened.keyboard.press("End")
    expect(dialog).to_contain_text("no. 15 (16 of 16)")
    expect(opened.get_by_role("button", name="Next")).to_be_disabled()
    opened.get_by_role("button", name="Previous").press("Enter")
    expect(dialog).to_contain_text("no. 14 (15 of 16)")
    lens = opened.locator("#viewer .view-range")
    lens.focus()
    opened.keyboard.press("ArrowLeft")
    expect(lens).to_have_value("49")
    expect(opened.locator("#viewer .view-lens")).to_have_attribute("style", re.compile("49%"))
    expect(dialog).to_contain_text("no. 14")  # the slider's arrows are its own
    for _ in range(40):
        opened.keyboard.press("Tab")
        holds(opened, "document.querySelector('#viewer').contains(document.activeElement)")
    opened.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(opened.locator("#pairs .pair").nth(14)).to_be_focused()


def test_pairs_of_other_rooms_have_no_dial(opened):
    opened.keyboard.press("Escape")
    opened.get_by_role("tab", name="Must not move").click()
    opened.locator("#check").click()
    expect(opened.locator("#check-status")).to_contain_text("9 prompts compared", timeout=LONG)
    opened.locator("#check-pairs .pair").first.click()
    expect(opened.get_by_role("dialog")).to_contain_text("no. 0 (1 of 16)")
    expect(opened.locator("#strength")).to_be_hidden()


def test_the_strength_repaints_this_pair_in_place_and_all_when_asked(opened, recorder):
    under = opened.locator("#viewer .view-under")
    before, compared = under.get_attribute("alt"), len(recorder.compared)
    opened.locator("#strength input[type=range]").focus()
    for _ in range(10):
        opened.keyboard.press("ArrowLeft")
    expect(opened.locator("#viewer .view-words")).to_contain_text("Debiased at strength 0:", timeout=SOON)
    expect(under).to_have_attribute("alt", re.compile("Debiased at strength 0: "))
    assert all(one["numbers"] == (2,) and len(one["prompts"]) == 1 for one in recorder.compared[compared:])
    expect(opened.locator("#dial-told")).to_contain_text(re.compile(r"\d\d+ pairs of \d+ prompts: about \d+ s, as measured here"))
    opened.keyboard.press("End")
    for _ in range(5):
        opened.keyboard.press("ArrowLeft")
    expect(under).to_have_attribute("alt", before, timeout=SOON)  # the strength it was painted at
    opened.keyboard.press("ArrowLeft")
    opened.locator("#rerender").click()
    expect(opened.locator("#origin")).to_contain_text("strength 0.9", timeout=LONG)
    expect(opened.locator("#dial-told")).to_contain_text("as measured here", timeout=LONG)
