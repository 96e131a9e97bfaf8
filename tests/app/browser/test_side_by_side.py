"""Words in the prompt, and runs side by side, in a real browser."""

import re

import pytest
from helpers.browser import LOAD, unfold, visit
from helpers.fake_engine import fake_engine
from helpers.jobs import request, wait
from playwright.sync_api import expect

from fairness_core.settings.attributes import ASSETS


@pytest.fixture
def served(serve):
    return serve(fake_engine(.01), recorded=ASSETS / "recorded")


def test_words_in_the_prompt_stand_beside_the_finetune(browser, served):
    run = wait(served.runner, served.runner.submit(request()), "finished")
    page = visit(browser, f"{served.url}?job={run.job_id}")
    unfold(page, "All figures", "#ways")
    expect(page.locator("#ways")).to_contain_text("not measured")
    page.locator("#paint-words").click()
    expect(page.locator("#ways")).not_to_contain_text("not measured", timeout=LOAD)
    expect(page.locator("#paint-words")).to_be_hidden()
    expect(page.locator("#pairs .pair").first.locator("img")).to_have_count(3)
    expect(page.locator("#distribution")).to_contain_text("words in the prompt")
    page.get_by_role("button", name="Do faces stay different").click()
    expect(page.locator("#diversity")).to_contain_text("Female")
    expect(page.locator("#side-effects")).to_contain_text("Glasses: another answer")
    page.close()


def test_runs_side_by_side_by_link(browser, served):
    run = wait(served.runner, served.runner.submit(request()), "finished")
    page = visit(browser, f"{served.url}?job={run.job_id}")
    page.get_by_role("tab", name="Side by side").click()
    page.locator("#side-runs input").click()
    page.get_by_role("option", name=re.compile("Short")).click()
    expect(page.locator("#side-table")).to_contain_text("(recorded)", timeout=LOAD)
    page.locator("#side-make").click()
    expect(page.locator("#side-csv")).to_be_visible()
    page.locator("#side-link").click()
    expect(page.locator("#side-address")).to_be_visible()
    page.wait_for_url(re.compile("runs="))
    linked = visit(browser, f"{served.url}?runs=mini-short,{run.job_id}")
    expect(linked.locator("#side-table tbody tr").filter(has_text="original")).to_have_count(2, timeout=LOAD)
    expect(linked.locator("#side-plot .js-plotly-plot")).to_be_visible()
    linked.close()
    page.close()
