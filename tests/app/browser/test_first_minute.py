"""The first minute in a real browser: pictures before anything is pressed, a run that is seen to learn, and its figures."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.browser import LOAD, LONG, SOON, holds, type_number, unfold, visit
from helpers.fake_engine import Pace, fake_engine
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
PHONE = (390, 844)
SCREENS = 4


@pytest.fixture(scope="module")
def kept(served, address, tmp_path_factory) -> Path:
    """A folder of recorded runs, with one that was made by the double."""
    [run], kept = served.runs_root.glob("*/"), tmp_path_factory.mktemp("kept")
    shutil.copytree(run, kept / "short", ignore=shutil.ignore_patterns("job.json", "log.txt"))
    return kept


@pytest.fixture(scope="module")
def recorded(serve_all, kept, tmp_path_factory):
    """A server that shows it."""
    return serve_all(fake_engine(.01), tmp_path_factory.mktemp("runs"), kept)


@pytest.fixture(scope="module")
def opened(browser, recorded) -> Iterator[Page]:
    page = visit(browser, recorded.url)
    yield page
    page.close()


def in_first_screen(page: Page, selector: str, height: int) -> None:
    holds(page, f"(box => box.width > 0 && box.top >= 0 && box.bottom <= {height})"
                f"(document.querySelector('{selector}').getBoundingClientRect())")


def test_pictures_sentence_replay_and_start_are_in_the_first_screen(opened):
    expect(opened.locator("#first-look .pair")).to_have_count(12, timeout=SOON)
    expect(opened.locator("#first-look .headline")).to_contain_text(
        re.compile(r"“.+”: \d+ % to \d+ % (women|men), target 50 %"))
    expect(opened.locator("#first-look")).to_contain_text("Recorded run, made by this code")
    expect(opened.locator("#first-look")).to_contain_text("synthetic people")
    for selector in ("#first-look .headline", "#first-look .pair:last-child", "#start", "#watch", "#length"):
        in_first_screen(opened, selector, 900)
    assert opened.get_by_role("button", name="Start", exact=True).count() == 1
    for hidden in ("#model", "#experiment", "#save-settings", "#set-steps"):
        expect(opened.locator(hidden)).to_be_hidden()


def test_the_recorded_run_plays(opened):
    opened.locator("#watch").click()
    frame = opened.locator("#reel .frame:visible")
    expect(frame).to_have_count(1, timeout=SOON)
    expect(frame).to_contain_text("After 10 of 12 steps", timeout=SOON)  # it went there by itself
    moment = opened.get_by_label("Moment of the run")
    moment.fill("0")
    expect(frame).to_contain_text("As the model was")
    expect(opened.locator("#reel .play")).to_have_attribute("aria-pressed", "false")
    opened.locator("#reel .play").click()
    expect(frame).to_contain_text("After 5 of 12 steps", timeout=SOON)


def test_a_telephone_needs_four_screens(browser, recorded):
    """Before anything is opened; the pairs are a row to swipe, and enlarged is larger."""
    width, height = PHONE
    page = visit(browser, recorded.url, *PHONE)
    expect(page.locator("#pairs .pair").first).to_be_visible(timeout=SOON)
    holds(page, f"document.documentElement.scrollHeight <= {SCREENS * height}")
    holds(page, "document.documentElement.scrollWidth <= window.innerWidth")
    holds(page, "(row => row.scrollWidth > 2 * row.clientWidth)(document.querySelector('#first-look .strip'))")
    in_first_screen(page, "#first-look .pair", height)
    in_first_screen(page, "#start", height)
    thumbnail = page.locator("#first-look .pair img").first.bounding_box()["width"]
    page.locator("#first-look .pair").first.click()
    expect(page.get_by_role("dialog").locator("img").first).to_be_visible()
    assert page.get_by_role("dialog").locator("img").first.bounding_box()["width"] > 1.5 * thumbnail
    page.close()


def test_a_run_is_seen_to_learn_what_was_typed(browser, serve, kept):
    pace = Pace(hold=1)
    page = visit(browser, serve(fake_engine(.01, pace=pace), recorded=kept).url)
    page.locator("#free-text textarea").fill("a smiling barista")
    page.locator("#start").click()
    expect(page.locator("#live-pairs")).to_contain_text("step 5 comes here", timeout=SOON)
    expect(page.locator("#live-pairs h3").first).to_contain_text("a smiling barista")
    expect(page.locator("#first-look")).to_be_hidden()
    expect(page.locator("#origin")).to_be_hidden()  # nothing of the recorded run is left
    expect(page.locator("#empty")).to_contain_text("Your run is learning")
    pace.hold = 7
    pace.go()
    pace.going.clear()
    expect(page.locator("#live-pairs h3").first).to_contain_text("right now, at step 5", timeout=SOON)
    expect(page.locator("#live-pairs .pair")).to_have_count(12)
    expect(page.locator("#live-pairs .chip").first).to_contain_text(re.compile("Female|Male|no face"))
    expect(page.locator("#live-bars .meter-words")).to_contain_text(re.compile(r"women 20 % → \d+ %, target 50 %"))
    pace.go()
    expect(page.locator("#status")).to_contain_text("Finished", timeout=LONG)
    expect(page.locator("#first-look")).to_contain_text("Your run.", timeout=SOON)
    expect(page.locator("#live-pairs")).to_be_hidden()
    page.close()


def test_the_film_strip_begins_at_step_0_and_its_slider_counts_steps(browser, address):
    page = visit(browser, address)
    unfold(page, "How the training goes", "#film-step")
    expect(page.locator("#film-step input[type=range]")).to_have_attribute("max", "12", timeout=SOON)
    expect(page.locator("#film .film-row").first).to_contain_text("step 0")
    type_number(page, "#film-step", "5")
    expect(page.locator("#film .film-row").nth(1)).to_contain_text("step 5", timeout=SOON)
    page.close()


def test_curves_opened_after_the_run_are_whole(browser, address):
    page = visit(browser, address)
    expect(page.locator("#status")).to_contain_text("Finished", timeout=LOAD)
    unfold(page, "How the training goes", "#film-step")
    holds(page, """(plots => plots.length === 2 && plots.every((plot) => plot.clientWidth > 200 && Math.abs(
        plot.querySelector('.main-svg').getBoundingClientRect().width - plot.clientWidth) < 3))(
        [...document.querySelectorAll('#curves .js-plotly-plot')])""")
    page.close()


def test_a_page_that_loads_says_so(browser, recorded):
    page = browser.new_page()
    page.route("**/gradio_api/**", lambda route: route.abort() if "run/predict" in route.request.url else route.continue_())
    page.goto(recorded.url, timeout=LOAD)
    expect(page.locator("#empty")).to_have_text("Loading…", timeout=LOAD)
    page.close()


def test_the_estimate_follows_what_is_chosen_and_has_limits(browser, recorded):
    page = visit(browser, recorded.url)
    estimate = page.locator("#estimate")
    expect(estimate).to_contain_text("Perceived gender on 24 prompts")
    page.locator("#control-race").get_by_role("checkbox").check()
    expect(estimate).to_contain_text("Perceived gender and race on 24 prompts", timeout=SOON)
    page.locator("#free-text textarea").fill("a barista")
    expect(estimate).to_contain_text("25 prompts", timeout=SOON)
    unfold(page, "Advanced", "#set-steps")
    for steps in ("-5", "1000000"):
        page.locator("#set-steps input").fill(steps)
        page.locator("#set-steps input").press("Tab")
        expect(estimate).to_contain_text("choose a whole number from 1 to 20,000", timeout=SOON)
    page.close()


def test_the_legend_stands_where_the_bars_are(opened):
    expect(opened.locator("#pairs .legend")).to_contain_text("F Female", timeout=SOON)
    opened.locator("#bars").get_by_label("Perceived race").check()
    expect(opened.locator("#pairs .legend")).to_contain_text("White, Middle Eastern, Latino or Hispanic", timeout=SOON)
