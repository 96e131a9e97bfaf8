"""Pictures made elsewhere in a real browser: dropped, judged, looked at, refused, found again."""

import re

import pytest
from helpers.browser import SOON, visit
from helpers.fake_engine import fake_engine
from helpers.fake_pictures import BLACK, BLUE, RED, folder_of_pictures, zipped
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
LONG = 4 * SOON


@pytest.fixture
def packed(tmp_path):
    root = folder_of_pictures(tmp_path / "mine", {"nurse": [RED] * 22, "judge": [BLUE] * 18 + [BLACK] * 2})
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.png")}
    return zipped(tmp_path / "mine.zip", files | {"judge/odd.png": b"not a picture"})


def hand_over(page: Page, *paths) -> None:
    page.locator("#audit-files input[type=file]").set_input_files([str(path) for path in paths])
    expect(page.locator("#audit-files")).to_contain_text(paths[-1].name, timeout=SOON)


def test_a_zip_is_judged_looked_at_and_found_again(browser, serve, packed):
    served = serve(fake_engine(.01))
    page = visit(browser, served.url)
    page.get_by_role("tab", name="Audit pictures").click()
    page.locator("#audit-start").click()
    expect(page.get_by_role("alert").filter(has_text="Nothing was handed over yet")).to_be_visible(timeout=SOON)
    hand_over(page, packed)
    page.locator("#audit-start").click()
    expect(page.locator("#audit-status")).to_contain_text("Finished: 43 pictures looked at", timeout=LONG)
    told = page.locator("#audit-told")
    expect(told).to_contain_text("Judged by: Built-in (knows synthetic faces only)", timeout=SOON)
    expect(told.get_by_role("alert")).to_contain_text("not painted by the built-in model")
    expect(page.locator("#audit-distribution .js-plotly-plot")).to_be_visible(timeout=LONG)
    expect(page.locator("#audit-pictures .pair").first).to_be_visible()
    page.locator("#audit-pictures .pair").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("judge/00.png")
    page.keyboard.press("Escape")
    page.get_by_text("Left out: 1").click()
    expect(page.locator("#audit-table")).to_contain_text("judge/odd.png: no picture that can be read")
    with page.expect_download(timeout=LONG) as report:
        page.locator("#audit-report").click()
    assert report.value.path().read_text(encoding="utf-8").startswith("<!doctype html>")
    page.reload()
    page.get_by_role("tab", name="Audit pictures").click()
    expect(page.locator("#audit-told")).to_contain_text("42 pictures", timeout=LONG)
    page.goto(f"{served.url}/?job={served.runner.history()[0].job_id}")
    expect(page.locator("#audit-told")).to_contain_text("42 pictures", timeout=LONG)
    expect(page.get_by_role("tab", name="Audit pictures")).to_have_attribute("aria-selected", "true")
    page.close()


def test_every_choice_is_taken_and_the_runs_list_opens_it(browser, serve, packed):
    page = visit(browser, serve(fake_engine(.01)).url, 390, 844)
    page.get_by_role("tab", name="Audit pictures").click()
    hand_over(page, packed)
    page.get_by_label("Every face").check()
    for field, choice in (("#audit-from", "None: all pictures together"), ("#audit-target", "Gender and race parity")):
        page.locator(f"{field} input").click()
        page.get_by_role("option", name=choice).click()
    page.locator("#audit-start").click()
    expect(page.locator("#audit-told")).to_contain_text("every face of each picture", timeout=LONG)
    expect(page.locator("#audit-told")).to_contain_text("Perceived race")
    expect(page.locator("#audit-prompt input")).to_have_value(re.compile("all pictures"), timeout=SOON)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_role("tab", name="Runs").click()
    expect(page.locator("#runs")).to_contain_text("Audit of pictures", timeout=SOON)
    page.locator("#run-open").click()
    expect(page.locator("#audit-told")).to_be_visible(timeout=SOON)
    page.close()
