"""How the page looks in a real browser: on a telephone, in the dark, and what a message from far above does."""

import re

import pytest
from helpers.browser import LONG, SOON, holds, settled, unfold, visit
from playwright.sync_api import Page, expect

PHONE = (390, 844)
TABS = ("Balance", "Must not move", "Audit pictures", "Gradient lab", "Classroom", "Runs", "About")
READABLE = 4.5  # WCAG AA, text of ordinary size

CONTRASTS = """(selector) => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => numbers(colour).slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [, , , alpha = 1] = numbers(getComputedStyle(at).backgroundColor);
      if (alpha > .99) return getComputedStyle(at).backgroundColor;
    }
    return getComputedStyle(document.body).backgroundColor;
  };
  return [...document.querySelectorAll(selector)].filter((e) => e.getBoundingClientRect().width).map((element) => {
    const style = getComputedStyle(element);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    const [dark, bright] = [light(ink), light(behind(element))].sort((a, b) => a - b);
    return [(bright + .05) / (dark + .05), element.textContent.trim().slice(0, 40)];
  });
}"""

pytestmark = pytest.mark.browser


def themed(browser, address: str, theme: str, size: tuple[int, int]) -> Page:
    """A page of the finished run, its figures open."""
    page = visit(browser, f"{address}&__theme={theme}", *size)
    expect(page.locator("#status")).to_contain_text("Finished", timeout=LONG)
    unfold(page, "All figures", "#distribution")
    expect(page.locator("#distribution .js-plotly-plot")).to_be_visible(timeout=LONG)
    return page


FITS = "document.documentElement.scrollWidth <= window.innerWidth"


def test_every_tab_is_in_reach_and_fits_a_telephone(browser, address):
    page = themed(browser, address, "light", PHONE)
    for name in TABS:
        tab = page.get_by_role("tab", name=name, exact=True)
        expect(tab).to_be_visible()
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true", timeout=SOON)
        holds(page, FITS)
    page.get_by_role("tab", name="Balance").click()
    page.get_by_role("link", name="Before and after").click()
    expect(page.locator("#results")).to_be_in_viewport(timeout=SOON)
    card = page.locator("#pairs .pair").first
    card.click()
    image, small = page.locator("#viewer .view-under"), page.locator("#pairs .pair img").first
    assert settled(lambda: image.bounding_box()["width"], page, lambda width: width > 1.5 * small.bounding_box()["width"])
    expect(image).to_have_attribute("alt", re.compile("Debiased: "))
    holds(page, FITS)
    page.get_by_role("button", name="Close the pair").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    holds(page, "(box => box.scrollWidth <= box.clientWidth)(document.querySelector('#table .scroll'))")  # none is hidden
    page.close()


def test_nothing_is_wider_than_a_telephone_in_the_dark(browser, address):
    page = themed(browser, address, "dark", PHONE)
    holds(page, FITS)
    page.close()


def test_a_refusal_comes_into_view_each_time(browser, served):
    page = visit(browser, served.url, *PHONE)
    page.locator("#free-text textarea").fill("word " * 500)
    for _ in range(2):
        page.locator("#start").scroll_into_view_if_needed()
        page.locator("#start").click()
        expect(page.get_by_role("alert").filter(has_text="425 tokens too long")).to_be_in_viewport(timeout=SOON)
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.close()


def lowest(page: Page, selector: str) -> float:
    """The least contrast of all that is there; colours that are still changing are looked at again."""
    return min((contrast for contrast, _ in page.evaluate(CONTRASTS, selector)), default=0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_can_be_read_in_either_theme(browser, address, theme):
    page = themed(browser, address, theme, (1440, 900))
    for selector in (".note", "#table td", "#table small", ".mark", "h1, h2, h3", "label span", ".caption span:not(.swatch)", "button.lg, button.md, button.sm",
                     ".js-plotly-plot .xtick text, .js-plotly-plot .ytick text, .js-plotly-plot .legendtext"):
        assert settled(lambda: lowest(page, selector), page, lambda least: least >= READABLE), (
            selector, min(page.evaluate(CONTRASTS, selector)))
    page.close()


def test_a_pair_is_enlarged_in_the_middle_with_its_sides_named(browser, address):
    page = themed(browser, address, "dark", (1440, 900))
    page.locator("#pairs .pair").first.click()
    dialog = page.get_by_role("dialog", name="no. 0")
    expect(dialog).to_contain_text(re.compile("Original: .*Debiased: ", re.DOTALL))
    def off_the_middle() -> float:
        box = dialog.bounding_box()
        return abs(2 * box["y"] + box["height"] - 900)
    assert settled(off_the_middle, page, lambda pixels: pixels < 3)
    page.close()
