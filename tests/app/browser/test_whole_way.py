"""The page in a real browser, on the engine double: the whole way of a visitor, and what can go wrong on it."""

import re
import shutil
from pathlib import Path

import pytest
from helpers.browser import LOAD, SOON, slider, type_number, unfold, visit
from helpers.fake_engine import Pace, fake_engine
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser


def test_the_whole_way(browser, serve):
    """Load, target, start, progress, refresh in the middle, finish, compare, download."""
    pace = Pace(hold=7)
    page = visit(browser, serve(fake_engine(.01, pace=pace)).url)
    expect(page.locator("#empty")).to_contain_text("Nothing to compare yet")
    expect(page.locator("#stop")).to_be_disabled()
    slider(page, "gender", "female").fill("30")
    slider(page, "gender", "female").press("Enter")
    expect(slider(page, "gender", "male")).to_have_value("70")
    expect(page.locator("#target-preset input")).to_have_value("Custom")

    page.locator("#start").click()
    expect(page.locator("#status")).to_contain_text("Step", timeout=SOON)
    expect(page.locator("#stop")).to_be_enabled()
    expect(page.locator("#curves .js-plotly-plot")).to_have_count(2, timeout=SOON)
    expect(page.locator("#film img").first).to_be_visible(timeout=SOON)
    page.wait_for_url(re.compile("job="))

    page.reload()
    expect(page.locator("#status")).to_contain_text("Step 6 of 12", timeout=LOAD)
    pace.go()
    expect(page.locator("#status")).to_contain_text("Finished: 12 steps, 6 prompts compared", timeout=SOON)
    expect(page.locator("#origin")).to_contain_text("Your run")
    expect(page.locator("#origin")).to_contain_text("30 % Female, 70 % Male")
    expect(page.locator("#pairs .pair")).to_have_count(16)
    expect(page.locator("#verdict li")).to_have_count(1)
    unfold(page, "All figures", "#distribution")
    expect(page.locator("#table")).to_contain_text("not finetuned on")
    expect(page.locator("#distribution .js-plotly-plot")).to_be_visible()
    expect(page.locator("#start")).to_be_enabled()
    expect(page.locator("#stop")).to_be_disabled()

    for button, name in (("#download-adapter", r"\.safetensors$"), ("#download-archive", r"\.zip$")):
        with page.expect_download() as download:
            page.locator(button).click()
        assert re.search(name, download.value.suggested_filename)
        assert Path(download.value.path()).stat().st_size > 0
    page.close()


def test_compare_controls(browser, address):
    page = visit(browser, address)
    image = page.locator("#pairs img").first
    narrow = int(image.get_attribute("width"))
    page.locator("#bars").get_by_label("Perceived race").check()
    expect(page.locator("#pairs img").first).not_to_have_attribute("width", str(narrow))
    assert "no. 0" in page.locator("#pairs img").first.get_attribute("alt")

    before = page.locator("#pairs img").first.get_attribute("src")
    page.locator("#prompt input").click()
    page.get_by_role("option", name="nurse ★").click()
    expect(page.locator("#pairs img").first).not_to_have_attribute("src", before)

    page.locator("#pairs .pair").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)

    unfold(page, "All figures", "#distribution")
    page.locator("#plot-class input").click()
    page.get_by_role("option", name="Perceived age: Old").click()
    expect(page.locator("#distribution")).to_contain_text("Perceived age: Old")

    page.locator("#pairs .pair").first.click()
    type_number(page, "#strength", "0.5")
    expect(page.locator("#strength input[type=range]")).to_have_value("0.5")
    page.locator("#rerender").click()
    expect(page.locator("#origin")).to_contain_text("strength 0.5", timeout=SOON)
    page.close()


def test_stop_and_add_steps(browser, serve):
    page = visit(browser, serve(fake_engine(.01, pace=Pace(hold=5))).url)
    page.locator("#length").get_by_label("Medium").check()
    page.locator("#start").click()
    expect(page.locator("#status")).to_contain_text("Step", timeout=SOON)
    page.locator("#stop").click()
    expect(page.locator("#status")).to_contain_text(re.compile("Stopped at step .* of 60"), timeout=SOON)
    expect(page.locator("#pairs .pair").first).to_be_visible()
    expect(page.locator("#continue")).to_have_text("Continue")
    page.locator("#continue").click()
    expect(page.locator("#stop")).to_be_enabled(timeout=SOON)
    page.locator("#stop").click()
    expect(page.locator("#status")).to_contain_text("Stopped", timeout=SOON)
    page.close()


def test_bad_input(browser, served):
    page, before = visit(browser, served.url), set(served.runs_root.iterdir())
    page.locator("#free-text textarea").fill("word " * 500)
    page.locator("#start").click()
    alert = page.get_by_role("alert").filter(has_text="425 tokens too long")
    expect(alert).to_be_visible()
    page.locator("#free-text textarea").fill("")
    page.locator("#control-gender").get_by_role("checkbox").uncheck()
    page.locator("#start").click()
    expect(page.get_by_role("alert").filter(has_text="No attribute is controlled")).to_be_visible()
    assert set(served.runs_root.iterdir()) == before
    page.locator("#control-gender").get_by_role("checkbox").check()
    page.locator("#start").click()
    expect(page.locator("#status")).to_contain_text("Finished", timeout=SOON)
    expect(page.locator("#banner .alert")).to_have_count(0)
    page.close()


def test_an_error_of_the_engine_is_a_red_banner(browser, served):
    page = visit(browser, served.url)
    page.locator("#free-text textarea").fill("explode")
    page.locator("#start").click()
    alert = page.get_by_role("alert").filter(has_text="left the building")
    expect(alert).to_be_visible(timeout=SOON)
    expect(alert).to_contain_text("Last lines of the log")
    expect(page.locator("#status")).to_contain_text("Failed")
    expect(page.locator("#start")).to_be_enabled()
    expect(page.locator("#stop")).to_be_disabled()
    page.close()


def test_a_second_visitor_waits_and_can_cancel(browser, serve):
    pace = Pace(hold=3)
    served = serve(fake_engine(.01, pace=pace))
    first, second = visit(browser, served.url), visit(browser, served.url)
    first.locator("#start").click()
    expect(first.locator("#status")).to_contain_text("Step", timeout=SOON)
    second.locator("#start").click()
    expect(second.locator("#status")).to_contain_text("number 1 in the queue", timeout=SOON)
    expect(second.locator("#stop")).to_have_text("Cancel")
    second.locator("#stop").click()
    expect(second.locator("#status")).to_contain_text("Cancelled", timeout=SOON)
    first.wait_for_url(re.compile("job="))
    job = first.url.split("job=")[1]
    first.close()  # the job goes on without its page
    again = visit_job(browser, served, job)
    pace.go()
    expect(again.locator("#status")).to_contain_text("Finished", timeout=SOON)
    again.close()
    second.close()


def visit_job(browser: Browser, served, job: str) -> Page:
    page = browser.new_page()
    page.goto(f"{served.url}/?job={job}", timeout=LOAD)
    expect(page.locator("#status")).to_be_visible(timeout=LOAD)
    return page


def test_recorded_run_history_and_unknown_job(browser, served, address, serve, tmp_path):
    ignored = shutil.ignore_patterns("job.json", "log.txt")
    shutil.copytree(served.runs_root / address.split("job=")[1], tmp_path / "kept" / "gender-parity", ignore=ignored)

    other = serve(fake_engine(.01), runs_root=tmp_path / "other", recorded=tmp_path / "kept")
    page = visit(browser, other.url)
    expect(page.locator("#origin")).to_contain_text("Recorded run, made by this code on")
    expect(page.locator("#pairs .pair").first).to_be_visible()
    page.get_by_role("tab", name="Runs").click()
    expect(page.get_by_text("No runs yet")).to_be_visible()
    page.get_by_role("tab", name="Balance").click()
    page.locator("#start").click()
    expect(page.locator("#origin")).to_contain_text("Your run", timeout=SOON)
    expect(page.locator("#status")).to_contain_text("Finished", timeout=SOON)
    page.close()

    page = visit(browser, f"{other.url}/?job=20200101-000000-abcdef")
    expect(page.get_by_role("alert").filter(has_text="There is no run")).to_be_visible()
    page.get_by_role("tab", name="Runs").click()
    page.get_by_role("link", name="finished, step 12 of 12").click()
    expect(page.locator("#origin")).to_contain_text("Your run", timeout=SOON)
    page.wait_for_url(re.compile("job=2"))
    page.close()
