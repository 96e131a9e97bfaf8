"""Right and steady in a real browser: number boxes that clamp, answers that come late, a Start that shows it was pressed."""

import re
from collections.abc import Iterator

import pytest
from helpers.browser import SOON, holds, settled, slider, visit
from helpers.fake_engine import Pace, fake_engine
from playwright.sync_api import Page, Route, expect

pytestmark = pytest.mark.browser
STATUS = "document.querySelector('#status').innerText"


@pytest.fixture(scope="module")
def opened(browser, served) -> Iterator[Page]:
    page = visit(browser, served.url)
    yield page
    page.close()


def refusals(page: Page) -> list[str]:
    """Answers of the server that are errors, as they come."""
    found = []
    page.on("response", lambda response: found.append(response.url) if response.status >= 500 else None)
    return found


@pytest.mark.parametrize(("typed", "female", "male"), [
    ("-20", "0", "100"), ("150", "100", "0"), ("1e3", "100", "0"), ("", "0", "100"), ("33.3", "33", "67")])
def test_whatever_is_typed_the_shares_sum_to_100(opened, typed, female, male):
    wrong = refusals(opened)
    for words, one, other in (("41", "41", "59"), (typed, female, male)):
        slider(opened, "gender", "female").fill(words)
        slider(opened, "gender", "female").press("Tab")
        expect(slider(opened, "gender", "male")).to_have_value(other, timeout=SOON)
        expect(slider(opened, "gender", "female")).to_have_value(one)
        expect(opened.locator("#target-preset input")).to_have_value("Custom")
    assert wrong == []


def test_fields_beyond_their_ends_and_choices_left_empty_are_no_errors(browser, served):
    page = visit(browser, served.url)
    wrong = refusals(page)
    if not page.locator("#experiment input").is_visible():
        page.locator("#advanced > button").click()
    page.locator("#experiment input").focus()
    page.keyboard.press("Tab")
    page.get_by_role("tab", name="Gradient lab").click()
    page.locator("#lab-steps input").fill("-3")
    page.locator("#lab-steps input").press("Tab")
    expect(page.locator("#lab-steps input")).to_have_value("1")
    page.locator("#lab-steps input").fill("")
    page.locator("#lab-start").click()
    expect(page.get_by_role("alert").filter(has_text="“Updates” is empty")).to_be_visible(timeout=SOON)
    assert wrong == []
    page.close()


def numbers_of(page: Page, event: str) -> set[int]:
    """How the page's touches of a kind are known to the server."""
    return set(page.evaluate("(event) => window.gradio_config.dependencies.filter((one) => one.targets.some("
                             "([, name]) => name === event)).map((one) => one.id)", event))


def test_a_tick_that_comes_late_is_dropped(browser, serve):
    """It was answered before Start was pressed, and its answer is held back until the new run is shown."""
    page = visit(browser, serve(fake_engine(.01, pace=Pace(hold=3))).url)
    ticks, late = numbers_of(page, "tick"), []

    def hold_back(route: Route) -> None:
        if route.request.post_data_json.get("fn_index") in ticks and not late:
            late.append((route, route.fetch()))
        else:
            route.continue_()
    page.route("**/run/predict*", hold_back)
    assert settled(lambda: len(late), page, bool) or page.wait_for_event("request", lambda _: bool(late))
    page.locator("#start").click()
    expect(page.locator("#status")).to_contain_text(re.compile("Waiting|Loading|Step"), timeout=SOON)
    page.evaluate(f"() => {{ window.said = []; setInterval(() => window.said.push({STATUS}), 5); }}")
    [(route, response)] = late
    route.fulfill(response=response)
    with page.expect_response(lambda answer: answer.request.post_data_json.get("fn_index") in ticks):
        pass  # the next tick goes on as if nothing had been
    expect(page.locator("#status")).to_contain_text("Step", timeout=SOON)
    assert not [said for said in page.evaluate("window.said") if "Ready" in said]
    expect(page.locator("#start")).to_be_disabled()
    page.close()


def test_start_shows_at_once_that_it_was_pressed(browser, serve):
    page = visit(browser, serve(fake_engine(.01, pace=Pace(hold=3))).url)
    starts, held = numbers_of(page, "click"), []

    def hold_back(route: Route) -> None:
        if route.request.post_data_json.get("fn_index") in starts and not held:
            held.append(route)
        else:
            route.continue_()
    page.route("**/run/predict*", hold_back)
    page.locator("#control-gender").get_by_role("checkbox").uncheck()
    page.locator("#start").click()
    expect(page.locator("#status")).to_contain_text("Starting…")
    expect(page.locator("body")).to_have_class(re.compile("starting"))
    held.pop().continue_()
    page.unroute("**/run/predict*")
    expect(page.get_by_role("alert").filter(has_text="No attribute is controlled")).to_be_visible(timeout=SOON)
    expect(page.locator("#status")).to_contain_text("Ready")
    page.locator("#control-gender").get_by_role("checkbox").check()
    page.locator("#start").click()
    expect(page.locator("#status")).to_contain_text("Step", timeout=SOON)
    holds(page, "!document.body.classList.contains('starting')")
    page.close()
