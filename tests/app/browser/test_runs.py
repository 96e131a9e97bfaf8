"""The film strip, a checkpoint kept, and the Runs room in a real browser."""

import re
import urllib.error
import urllib.request

import pytest
import torch
from helpers.browser import LOAD, SOON, type_number, unfold, visit
from helpers.fake_engine import Pace, fake_engine
from helpers.jobs import lora, request, wait
from playwright.sync_api import expect
from safetensors.torch import save_file

LONG = 90_000

pytestmark = pytest.mark.browser


def test_scrubber_log_and_a_kept_checkpoint(browser, serve):
    pace = Pace(hold=7)
    page = visit(browser, serve(fake_engine(.01, pace=pace)).url)
    page.locator("#start").click()
    expect(page.locator("#film-step")).to_be_visible(timeout=LOAD)
    page.locator("#keep-name textarea, #keep-name input").fill("early")
    page.locator("#keep-now").click()
    expect(page.locator("#keep-note")).to_contain_text("Kept as “early”", timeout=SOON)
    pace.go()
    expect(page.locator("#status")).to_contain_text("Finished", timeout=LONG)
    expect(page.locator("#film-step")).to_be_hidden()
    unfold(page, "How the training goes", "#film-step")
    expect(page.locator("#film")).to_contain_text("step 10", timeout=SOON)
    type_number(page, "#film-step", "5")
    expect(page.locator("#film")).not_to_contain_text("step 10", timeout=SOON)
    expect(page.locator("#film")).to_contain_text("step 5")
    page.locator("#step-log button").first.click()
    expect(page.locator("#step-log tbody tr")).to_have_count(12)

    page.get_by_role("tab", name="Runs").click()
    expect(page.locator("#runs a")).to_have_count(2, timeout=SOON)
    expect(page.locator("#runs")).to_contain_text("Adapter “early”")
    page.locator("#run input").click()
    page.get_by_role("option", name=re.compile("early")).click()
    page.locator("#run-compare").click()
    expect(page.locator("#status")).to_contain_text("Finished: comparison", timeout=LONG)
    expect(page.get_by_role("tab", name="Balance")).to_have_attribute("aria-selected", "true")
    page.close()


def test_look_at_download_and_delete_a_run(browser, serve):
    served = serve(fake_engine(.02))
    made = wait(served.runner, served.runner.submit(request()), "finished")
    page = visit(browser, f"{served.url}?job={made.job_id}")
    page.get_by_role("tab", name="Runs").click()
    expect(page.locator("#run-about")).to_contain_text("Perceived gender: 50 % Female", timeout=SOON)
    expect(page.locator("#run-record .js-plotly-plot")).to_have_count(2, timeout=SOON)
    expect(page.locator("#run-film img").first).to_be_visible()
    expect(page.locator("#run-again")).to_contain_text("python -m fairness_core train")
    for button, name in (("#run-adapter", r"\.safetensors$"), ("#run-archive", r"\.zip$")):
        with page.expect_download() as download:
            page.locator(button).click()
        assert re.search(name, download.value.suggested_filename)
    [run] = served.runs_root.glob("*/")
    for name in ("config.yaml", "job.json", "log.txt", "checkpoint.json"):
        with pytest.raises(urllib.error.HTTPError, match="403|404"):
            urllib.request.urlopen(f"{served.url}/gradio_api/file={run / name}")

    page.locator("#run-delete").click()
    expect(page.locator("#run-gone")).to_be_visible(timeout=SOON)
    page.locator("#run-kept").click()
    expect(page.locator("#run-gone")).to_be_hidden(timeout=SOON)
    assert run.exists()
    page.locator("#run-delete").click()
    page.locator("#run-gone").click()
    expect(page.get_by_text("No runs yet")).to_be_visible(timeout=SOON)
    expect(page).not_to_have_url(re.compile("job="), timeout=SOON)
    assert not run.exists()
    page.close()


def test_someones_adapter(browser, serve, tmp_path):
    page = visit(browser, serve(fake_engine(.02)).url)
    page.get_by_role("tab", name="Runs").click()
    save_file({"weight": torch.ones(2, 2), "bias": torch.ones(2)}, tmp_path / "foreign.safetensors")
    for path, words in ((tmp_path / "foreign.safetensors", None), (lora(tmp_path / "mine.safetensors"), "mine")):
        with page.expect_file_chooser() as chooser:
            page.locator("#bring-adapter").click()
        chooser.value.set_files(path)
        if words is None:
            expect(page.locator("#runs-banner")).to_contain_text("holds neither LoRA", timeout=SOON)
    expect(page.locator("#status")).to_contain_text("Finished: comparison", timeout=LONG)
    expect(page.locator("#pairs .pair").first).to_be_visible()
    page.close()
