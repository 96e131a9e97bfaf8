"""The target in a real browser: combinations, presets, and settings as a file or a link."""

import re
from pathlib import Path

import pytest
from helpers.browser import LONG, SOON, slider, unfold, visit
from helpers.fake_engine import fake_engine
from playwright.sync_api import Page, expect

from fairness_core.settings.config import FinetuneConfig, load_config

pytestmark = pytest.mark.browser


def config_of(page: Page, served) -> FinetuneConfig:
    """Of the run on show."""
    page.wait_for_url(re.compile("job="))
    return load_config(served.runs_root / re.search(r"job=([\w-]+)", page.url).group(1) / "config.yaml")


def switch(page: Page, elem_id: str):
    return page.locator(elem_id).get_by_role("checkbox")


def load(page: Page, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator("#load-settings").click()
    chooser.value.set_files(path)


def choose(page: Page, elem_id: str, option: str) -> None:
    page.locator(f"{elem_id} input").click()
    page.get_by_role("option", name=option, exact=True).click()


def test_combinations_of_two_attributes(browser, served):
    page = visit(browser, served.url)
    expect(page.locator("#joint")).to_be_hidden()
    switch(page, "#control-race").check()
    switch(page, "#joint-on").check()
    expect(page.locator("#joint-note")).to_contain_text("Sums to 100 %. Each alone: WMELH 25 %", timeout=SOON)
    expect(page.get_by_label("WMELH, Female %")).to_have_value("12.5")
    page.get_by_label("WMELH, Female %").fill("20")
    expect(page.locator("#joint-note .wrong")).to_contain_text("107.5 %: 7.5 % are too many", timeout=SOON)
    page.locator("#start").click()
    expect(page.get_by_role("alert").filter(has_text="107.5 %")).to_be_visible(timeout=SOON)
    page.locator("#joint-scale").click()
    expect(page.locator("#joint-note")).to_contain_text("Female 53.5 %", timeout=SOON)
    page.locator("#start").click()
    expect(page.locator("#status")).to_contain_text("Finished", timeout=LONG)
    expect(page.locator("#origin")).to_contain_text("combinations set one by one")
    joint = config_of(page, served).joint
    assert joint[0][0] == pytest.approx(.186) and joint[3][1] == pytest.approx(.116, abs=.001)
    page.close()


def test_as_the_model_is(browser, serve):
    page = visit(browser, serve(fake_engine(.02)).url)
    choose(page, "#target-preset", "As the model is")
    expect(page.locator("#preset-note")).to_contain_text("No pictures of this model", timeout=SOON)
    page.locator("#start").click()
    expect(page.locator("#status")).to_contain_text("Finished", timeout=LONG)
    choose(page, "#target-preset", "Gender parity")
    choose(page, "#target-preset", "As the model is")
    expect(page.locator("#preset-note")).to_contain_text("Chosen by nobody", timeout=SOON)
    expect(page.locator("#preset-note")).to_contain_text("95 % intervals")
    expect(slider(page, "gender", "female")).to_have_value(re.compile("^[0-3]?[0-9]$|^4[0-4]$"))
    page.close()


def test_settings_as_a_file_and_as_a_link(browser, served, tmp_path):
    page = visit(browser, served.url)
    slider(page, "gender", "female").fill("30")
    slider(page, "gender", "female").press("Enter")
    expect(slider(page, "gender", "male")).to_have_value("70")
    page.locator("#free-text textarea").fill("a barista")
    unfold(page, "Advanced", "#save-settings")
    with page.expect_download() as download:
        page.locator("#save-settings").click()
    kept = tmp_path / download.value.suggested_filename
    download.value.save_as(kept)
    config = load_config(kept)
    assert config.marginals == {"gender": {"female": .3, "male": .7}} and "a barista" in config.prompts

    page.locator("#copy-link").click()
    expect(page.locator("#loaded-note")).to_contain_text("opens this page with these settings", timeout=SOON)
    page.wait_for_url("**settings=*")
    link = page.url
    page.close()
    page = visit(browser, link)
    expect(page.locator("#loaded-note")).to_contain_text("the settings of this link", timeout=SOON)
    expect(slider(page, "gender", "female")).to_have_value("30")
    expect(page.locator("#free-text textarea")).to_have_value("a barista")

    unfold(page, "Advanced", "#load-settings")
    kept.write_text(kept.read_text(encoding="utf-8").replace("steps: 12", "steps: 14"), encoding="utf-8")
    load(page, kept)
    expect(page.locator("#loaded-note")).to_contain_text("finetune-settings.yaml, 14 steps", timeout=SOON)
    kept.write_text("colour: blue", encoding="utf-8")
    load(page, kept)
    expect(page.get_by_role("alert").filter(has_text="Unknown setting 'colour'")).to_be_visible(timeout=SOON)
    expect(slider(page, "gender", "female")).to_have_value("30")
    page.close()


def test_a_damaged_link_opens_the_page_and_says_so(browser, served):
    page = visit(browser, f"{served.url}/?settings=zzz")
    expect(page.get_by_role("alert").filter(has_text="damaged")).to_be_visible()
    page.close()


def test_a_published_experiment_fills_the_page(browser, served):
    page = visit(browser, served.url)
    unfold(page, "Advanced", "#experiment")
    choose(page, "#experiment", "Race")
    expect(page.get_by_text("Race to equal shares on two occupations. Takes 14 steps")).to_be_visible(timeout=SOON)
    expect(page.locator("#concepts")).to_contain_text("2 occupations")
    expect(slider(page, "race", "asian")).to_have_value("25")
    expect(page.locator("#sliders-gender")).to_be_hidden()
    expect(page.get_by_role("radio", name="Short")).not_to_be_checked()
    page.locator("#start").click()
    expect(page.locator("#status")).to_contain_text("Finished: 14 steps", timeout=LONG)
    config = config_of(page, served)
    assert config.tune == "tokens" and set(config.marginals) == {"race"} and len(config.prompts) == 2
    page.get_by_role("radio", name="Medium").check()
    expect(page.locator("#estimate")).to_contain_text("Perceived race on 2 prompts, each drawn about 30 times", timeout=SOON)
    expect(page.locator("#experiment input")).to_have_value("")
    page.close()


def test_labour_statistics_are_told_figure_by_figure(browser, served):
    page = visit(browser, served.url)
    choose(page, "#target-preset", "Labour statistics")
    expect(page.locator("#preset-note")).to_contain_text("Source: U.S. Bureau of Labor Statistics", timeout=SOON)
    page.locator("#preset-note summary").click()
    expect(page.get_by_text("chef: 23 % women (Chefs and head cooks, 2023; approximate)")).to_be_visible()
    page.locator("#start").click()
    expect(page.locator("#status")).to_contain_text("Finished", timeout=LONG)
    unfold(page, "All figures", "#distribution")
    expect(page.locator("#distribution .legendtext").filter(has_text="target")).to_be_visible(timeout=SOON)
    page.close()
