"""A lesson in real browsers: a teacher, a student by link, and one who types the name of the class."""

import pytest
from helpers.browser import SOON, visit
from helpers.fake_engine import fake_engine
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
LONG = 4 * SOON


def guess(page: Page, percent: str) -> None:
    page.locator("#class-guess input[type=number]").fill(percent)
    page.locator("#class-guess input[type=number]").press("Enter")
    page.locator("#guess").click()
    expect(page.locator("#class-message")).to_contain_text("Your guess is in", timeout=SOON)


def enter(page: Page, button: str) -> None:
    page.get_by_role("tab", name="Classroom").click()
    page.locator("#class-name").locator("input, textarea").fill("oak-7")
    page.locator(button).click()


def found_class(teacher: Page) -> None:
    """A class that is not there yet cannot be joined; opened, it has nothing to ask about before a run."""
    enter(teacher, "#class-join")
    expect(teacher.get_by_role("alert").filter(has_text="There is no class 'oak-7'")).to_be_visible(timeout=SOON)
    teacher.locator("#class-open").click()
    expect(teacher.locator("#class-head")).to_contain_text("You teach oak-7", timeout=SOON)
    teacher.wait_for_url("**class=oak-7*teacher=*")
    teacher.locator("#class-ask").click()
    expect(teacher.get_by_role("alert").filter(has_text="no pictures to ask about")).to_be_visible(timeout=SOON)


def comes_by_link(browser, served) -> Page:
    """A student with a telephone, who sees the question first and no code."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{served.url}/?class=oak-7")
    expect(page.locator("#class-question")).to_contain_text("The teacher has asked nothing yet", timeout=LONG)
    expect(page.locator("#class-question")).to_be_in_viewport(ratio=.9)
    expect(page.locator("#class-head .class-code")).to_have_count(0)
    expect(page.locator("#class-ask")).to_be_hidden()
    return page


def sees_the_answer(page: Page, own: str) -> None:
    expect(page.locator("#class-figure")).to_contain_text("2 guesses", timeout=SOON)
    expect(page.locator("#class-pictures .pair")).to_have_count(16)
    expect(page.locator("#class-figure")).to_contain_text(f"your guess: {own} %" if own else "2 guesses")
    assert ("your guess" in page.locator("#class-figure").inner_text()) == bool(own)
    page.locator("#class-pictures .pair").first.click()
    expect(page.get_by_role("dialog", name="no. 0")).to_be_visible()
    page.close()


def test_a_class_guesses_before_it_sees(browser, serve):
    served = serve(fake_engine(.01))
    teacher = visit(browser, served.url)
    found_class(teacher)
    teacher.get_by_role("tab", name="Balance").click()
    teacher.locator("#start").click()
    expect(teacher.locator("#status")).to_contain_text("Finished", timeout=LONG)
    teacher.get_by_role("tab", name="Classroom").click()
    expect(teacher.locator("#class-prompt input")).to_have_value("doctor", timeout=LONG)

    expect(teacher.locator("#class-head a")).to_have_attribute("href", f"{served.url}/?class=oak-7")
    expect(teacher.locator("#class-head .class-code svg")).to_be_visible()
    by_link = comes_by_link(browser, served)
    by_name = visit(browser, served.url)
    enter(by_name, "#class-join")
    expect(by_name.locator("#class-head")).to_contain_text("You are in oak-7", timeout=SOON)

    teacher.locator("#class-ask").click()
    expect(by_link.locator("#class-question")).to_contain_text("perceived as Female (perceived gender)", timeout=SOON)
    guess(by_link, "20")
    expect(by_name.locator("#class-seat, #guess")).to_be_visible(timeout=SOON)
    guess(by_name, "70")
    guess(by_name, "60")
    expect(teacher.locator("#class-question")).to_contain_text("2 guesses so far. Nobody sees them", timeout=SOON)
    teacher.locator("#class-close").click()
    expect(by_link.locator("#class-question")).to_contain_text("Guessing is closed", timeout=SOON)
    expect(by_link.locator("#guess")).to_be_hidden()
    expect(by_link.locator("#class-figure .js-plotly-plot")).to_have_count(0)
    expect(by_link.locator("#class-pictures .pair")).to_have_count(0)
    teacher.reload()
    expect(teacher.locator("#class-close")).to_have_text("Open again", timeout=LONG)
    teacher.locator("#reveal").click()
    for page, own in ((teacher, ""), (by_link, "20"), (by_name, "60")):
        sees_the_answer(page, own)
