"""Publishing a run from the page, on a hub of this machine."""

import pytest
from helpers.browser import SOON, unfold, visit
from helpers.fake_engine import fake_engine
from helpers.fake_hub import OWNER, TOKEN, serving_hub
from helpers.jobs import request, wait
from huggingface_hub import constants
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_publish_with_the_visitors_token(browser, serve, monkeypatch, tmp_path):
    with serving_hub() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        served = serve(fake_engine(.01))
        run = wait(served.runner, served.runner.submit(request()), "finished")
        page = visit(browser, f"{served.url}?job={run.job_id}")
        page.get_by_role("tab", name="Runs").click()
        unfold(page, "Publish on the Hugging Face hub", "#hub-name")
        token = page.locator("#hub-token input")
        expect(token).to_have_attribute("type", "password")
        page.locator("#hub-name").locator("input, textarea").fill("somebody/else")
        token.fill(TOKEN)
        page.locator("#hub-push").click()
        expect(page.locator("#hub-note")).to_contain_text("may not write to somebody/else", timeout=SOON)
        expect(token).to_have_value("")
        page.locator("#hub-name").locator("input, textarea").fill(f"{OWNER}/fair-portraits")
        token.fill(TOKEN)
        page.locator("#hub-push").click()
        link = page.locator("#hub-note a")
        expect(link).to_have_attribute("href", f"{hub.address}/{OWNER}/fair-portraits", timeout=SOON)
        expect(token).to_have_value("")
        assert hub.repositories[f"{OWNER}/fair-portraits"]["private"] is True
        assert not any(TOKEN.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        page.close()
