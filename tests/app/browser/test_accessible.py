"""The page for everyone: axe-core finds nothing serious on any tab, plots can be read, dialogs can be left, the keyboard is
soon at Start, and nothing is wider than the window."""

from pathlib import Path

import pytest
from helpers.browser import SOON, holds, visit
from helpers.fake_engine import fake_engine
from playwright.sync_api import Page, expect

from app.rooms.side_by_side import EMPTY

pytestmark = pytest.mark.browser
AXE = Path(__file__).parents[2] / "vendored" / "axe-core" / "axe.min.js"
TABS = ("Balance", "Must not move", "Gradient lab", "Classroom", "Runs", "About")
LONG = 4 * SOON
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


@pytest.fixture
def finished(browser, serve):
    """Opens a page of a finished run in a theme, at a size."""
    opened = []

    def open_page(theme: str = "light", size: tuple[int, int] = (1440, 900)) -> Page:
        page = visit(browser, f"{serve(fake_engine(.01)).url}/?__theme={theme}", *size)
        opened.append(page)
        page.locator("#start").click()
        expect(page.locator("#status")).to_contain_text("Finished", timeout=LONG)
        expect(page.locator("#pairs .pair").first).to_be_visible(timeout=LONG)
        open_figures(page)
        return page
    yield open_page
    for page in opened:
        page.close()


def fill_the_tabs(page: Page) -> None:
    """A panel, a measurement and a class, so that every tab shows what it has."""
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


def findings(page: Page) -> list[str]:
    page.wait_for_timeout(700)  # colours change slowly
    return page.evaluate(FINDINGS)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_tab(finished, theme):
    page = finished(theme)
    fill_the_tabs(page)
    page.add_script_tag(path=AXE)
    found = []
    for name in TABS:
        page.get_by_role("tab", name=name, exact=True).click()
        if name == "Runs":
            expect(page.locator("#run-about")).to_contain_text("finished", timeout=SOON)
        found += [f"{name}: {one}" for one in findings(page)]
    page.get_by_role("tab", name="Balance").click()
    page.locator("#pairs .pair").first.click()
    expect(page.get_by_role("dialog", name="no. 0")).to_be_visible()
    found += [f"the viewer: {one}" for one in findings(page)]
    assert not found, "\n".join(found)


def test_every_plot_says_what_it_shows_and_has_its_figures_as_a_table(finished):
    plots = finished().locator(".js-plotly-plot")
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


def test_start_is_near_for_the_keyboard(browser, serve):
    page = visit(browser, serve(fake_engine(.01)).url)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#start")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("Finished", timeout=LONG)
    page.close()


@pytest.mark.parametrize("width", [820, 1024])
def test_no_tab_scrolls_sideways(finished, width):
    page = finished(size=(width, 1000))
    fill_the_tabs(page)
    for name in TABS:
        page.get_by_role("tab", name=name, exact=True).click()
        holds(page, "document.documentElement.scrollWidth <= window.innerWidth")
