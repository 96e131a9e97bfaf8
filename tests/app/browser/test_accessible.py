"""The page for everyone: axe-core finds nothing serious on any tab, plots can be read, dialogs can be left, the keyboard is
soon at Start, and nothing is wider than the window."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.browser import IDLE, LONG, SOON, finetuned, holds, visit
from helpers.fake_engine import fake_engine
from playwright.sync_api import Page, expect

from app.rooms.side_by_side import EMPTY

pytestmark = pytest.mark.browser
AXE = Path(__file__).parents[2] / "vendored" / "axe-core" / "axe.min.js"
TABS = ("Balance", "Must not move", "Gradient lab", "Classroom", "Runs", "About")
# what assistive tools cannot work with; "moderate" and "minor" are advice
FINDINGS = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
  .filter(({impact}) => ['serious', 'critical'].includes(impact))
  .flatMap(({id, nodes}) => nodes.map((node) => `${id}: ${node.target.join(' ')}: ${node.html.slice(0, 120)}: ` +
    `${node.any.concat(node.all, node.none).map((one) => one.message).join(' / ').slice(0, 200)}`))"""


def open_figures(page: Page) -> None:
    """All that are folded away."""
    for folded in ("#figures > button", "#curves > button"):
        if page.locator(folded).count():
            page.locator(folded).click()
    expect(page.locator("#distribution .js-plotly-plot")).to_be_visible(timeout=LONG)
    expect(page.locator("#curves .js-plotly-plot")).to_have_count(2, timeout=SOON)


def fill_the_tabs(page: Page) -> None:
    """A panel, a measurement and a class."""
    page.get_by_role("tab", name="Must not move").click()
    page.locator("#check").click()
    expect(page.locator("#check-status")).to_contain_text("9 prompts compared", timeout=LONG)
    page.get_by_role("tab", name="Gradient lab").click()
    page.locator("#lab-steps input").fill("2")
    page.locator("#lab-start").click()
    expect(page.locator("#lab-status")).to_contain_text("Finished", timeout=LONG)
    page.get_by_role("tab", name="Classroom").click()
    page.locator("#class-name").locator("input, textarea").fill("oak-7")
    page.locator("#class-open").click()
    expect(page.locator("#class-head")).to_contain_text("You teach oak-7", timeout=SOON)
    page.locator("#class-ask").click()
    page.locator("#reveal").click()
    expect(page.locator("#class-figure .js-plotly-plot")).to_be_visible(timeout=SOON)


@pytest.fixture(scope="module")
def filled(browser, served) -> Iterator[Page]:
    """A page on which every tab shows what it has."""
    page = finetuned(browser, served.url)
    expect(page.locator("#pairs .pair").first).to_be_visible(timeout=LONG)
    open_figures(page)
    fill_the_tabs(page)
    page.add_script_tag(path=AXE)
    yield page
    page.close()


def findings(page: Page) -> list[str]:
    page.evaluate(IDLE)
    holds(page, "!document.getAnimations().some((one) => one instanceof CSSTransition)")  # colours change slowly
    return page.evaluate(FINDINGS)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_tab(filled, theme):
    filled.emulate_media(color_scheme=theme)  # the page follows the visitor's machine
    expect(filled.locator("body.dark")).to_have_count(int(theme == "dark"))
    found = []
    for name in TABS:
        filled.get_by_role("tab", name=name, exact=True).click()
        if name == "Runs":
            expect(filled.locator("#run-about")).to_contain_text("finished", timeout=SOON)
        found += [f"{name}: {one}" for one in findings(filled)]
    filled.get_by_role("tab", name="Balance").click()
    filled.locator("#pairs .pair").first.click()
    expect(filled.get_by_role("dialog", name="no. 0")).to_be_visible()
    found += [f"the viewer: {one}" for one in findings(filled)]
    filled.keyboard.press("Escape")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("width", [820, 1024])
def test_no_tab_scrolls_sideways(filled, width):
    filled.set_viewport_size({"width": width, "height": 1000})
    for name in TABS:
        filled.get_by_role("tab", name=name, exact=True).click()
        holds(filled, "document.documentElement.scrollWidth <= window.innerWidth")


def test_every_plot_says_what_it_shows_and_has_its_figures_as_a_table(filled):
    filled.get_by_role("tab", name="Balance").click()
    plots = filled.locator(".js-plotly-plot:visible")
    assert plots.count() >= 5
    for i in range(plots.count()):
        expect(plots.nth(i)).to_have_attribute("role", "figure")
        told = plots.nth(i).get_attribute("aria-label")
        assert len(told) > 20 and any(letter.isdigit() for letter in told), told
        table = plots.nth(i).locator("xpath=following-sibling::details")
        table.locator("summary").click()
        expect(table.locator("tr").nth(3)).to_be_visible()
        assert "undefined" not in table.inner_text() and "NaN" not in table.inner_text()


def test_an_empty_plot_says_why_and_offers_no_table(browser, serve):
    page = visit(browser, serve(fake_engine(.01)).url)
    page.get_by_role("tab", name="Side by side").click()
    expect(page.locator("#side-plot .js-plotly-plot")).to_have_attribute("aria-label", f"Side by side. {EMPTY}.")
    expect(page.locator("#side-plot details")).to_have_count(0)
    page.close()


def test_start_is_near_for_the_keyboard(browser, served):
    page = visit(browser, served.url)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#start")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("Finished", timeout=LONG)
    page.close()
