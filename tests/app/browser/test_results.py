"""What a visitor asked for comes first, is opened again as it was, and can be handed on; in a real browser."""

import re

import pytest
from helpers.browser import LOAD, LONG, SOON, holds, slider, unfold, visit
from helpers.fake_engine import fake_engine
from PIL import Image
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def run(page: Page, women: str, typed: str) -> None:
    """Finetunes toward that share of women, on the page's concepts and what is typed."""
    slider(page, "gender", "female").fill(women)
    slider(page, "gender", "female").press("Enter")
    expect(slider(page, "gender", "male")).to_have_value(str(100 - int(women)))
    page.locator("#free-text textarea").fill(typed)
    page.locator("#start").click()
    expect(page.locator("#status")).to_contain_text("Finished", timeout=LONG)
    expect(page.locator("#headlines li").first).to_be_visible(timeout=LONG)


def test_what_was_typed_comes_first_and_what_was_left_out_is_offered(browser, served):
    """On a wide window, and on a telephone where its address is opened."""
    wide = visit(browser, served.url)
    run(wide, "60", "my barista")
    comes_first(wide)
    wide.wait_for_url(re.compile("job="))
    telephone = visit(browser, wide.url, 390, 844)
    comes_first(telephone)
    telephone.close()
    wide.locator("#rest").click()
    expect(wide.locator("#compared")).not_to_contain_text("finetuned on (", timeout=LONG)
    telephone = visit(browser, wide.url, 390, 844)
    for page in (wide, telephone):
        expect(page.locator("#headlines li").nth(7)).to_be_hidden()
        expect(page.locator(".more-headlines > summary")).to_be_visible()
        page.close()


def comes_first(page: Page) -> None:
    first = page.locator("#headlines li").first
    expect(first).to_contain_text(re.compile(r"my barista.* to .*women, target 60 %", re.DOTALL))
    expect(page.locator("#prompt input")).to_have_value("my barista")
    first.locator("summary").click()
    expect(first.locator("table")).to_contain_text("men")
    expect(page.locator("#compared")).to_contain_text("Compared: 1 you typed, 1 of the concepts finetuned on")
    holds(page, "document.documentElement.scrollWidth <= window.innerWidth")


def test_an_opened_run_brings_its_settings_back(browser, serve):
    served = serve(fake_engine(.01))
    page = visit(browser, served.url)
    run(page, "70", "my barista")
    address = page.url
    page.close()
    page = visit(browser, served.url)
    expect(slider(page, "gender", "female")).to_have_value("50")
    page.get_by_role("tab", name="Runs").click()
    expect(page.locator("#runs .thumbs img")).to_have_count(2, timeout=SOON)
    expect(page.locator("#runs .marks")).to_contain_text("Perceived gender")
    page.locator("#run-name input, #run-name textarea").fill("baristas")
    page.locator("#run-rename").click()
    expect(page.locator("#runs")).to_contain_text("Finetune “baristas”", timeout=SOON)
    page.locator("#run-use").click()
    expect(page.get_by_role("tab", name="Balance")).to_have_attribute("aria-selected", "true", timeout=SOON)
    expect(slider(page, "gender", "female")).to_have_value("70", timeout=SOON)
    expect(page.locator("#free-text textarea")).to_have_value("my barista")
    expect(page.locator("#loaded-note")).to_contain_text("“baristas”: Start repeats it")
    expect(page).not_to_have_url(re.compile("job="))
    page.close()
    page = visit(browser, address)
    expect(slider(page, "gender", "female")).to_have_value("70", timeout=LOAD)
    expect(page.get_by_role("radio", name="Short")).to_be_checked()
    page.close()


def test_what_must_not_move_and_the_lab_open_in_their_own_tabs(browser, address):
    page = visit(browser, address)
    page.get_by_role("tab", name="Must not move").click()
    page.locator("#check").click()
    expect(page.locator("#check-status")).to_contain_text("9 prompts compared", timeout=LONG)
    page.get_by_role("tab", name="Gradient lab").click()
    page.locator("#lab-steps input").fill("1")
    page.locator("#lab-start").click()
    expect(page.locator("#lab-status")).to_contain_text("Finished", timeout=LONG)
    for name, tab, there in (("Must not move", "Must not move", "#moved tbody tr"), ("Gradient lab", "Gradient lab", "#lab-scales .js-plotly-plot")):
        page.get_by_role("tab", name="Runs").click()
        page.locator("#runs").get_by_role("link", name=re.compile(name)).click()
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true", timeout=LOAD)
        expect(page.locator(there).first).to_be_visible(timeout=LOAD)
    page.close()


def test_a_result_is_shared_as_a_picture(browser, address):
    page = visit(browser, address)
    expect(page.locator("#share-file")).to_be_hidden()
    page.locator("#share").click()
    expect(page.locator("#share-picture img")).to_be_visible(timeout=SOON)
    with page.expect_download() as download:
        page.locator("#share-file").click()
    assert re.fullmatch(r"fair-portraits-.*\.png", download.value.suggested_filename)
    assert Image.open(download.value.path()).size == (1200, 630)
    page.locator("#prompt input").click()
    page.get_by_role("option", name="nurse ★").click()
    expect(page.locator("#share-picture img")).to_have_count(0, timeout=SOON)
    page.close()


def test_bars_follow_what_is_controlled(browser, served):
    page = visit(browser, served.url)
    page.locator("#control-gender").get_by_role("checkbox").uncheck()
    page.locator("#control-age").get_by_role("checkbox").check()
    page.locator("#start").click()
    expect(page.locator("#status")).to_contain_text("Finished", timeout=LONG)
    expect(page.locator("#bars").get_by_label("Perceived age")).to_be_checked(timeout=SOON)
    expect(page.locator("#bars").get_by_label("Perceived gender")).not_to_be_checked()
    unfold(page, "All figures", "#distribution")
    expect(page.locator("#distribution")).to_contain_text("Perceived age: Young", timeout=SOON)
    expect(page.locator("#joint")).to_contain_text("perceived age", timeout=SOON)
    page.close()
