"""The page in a frame, as a Space shows it: the run and the link are found although the address is another page's."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from helpers.browser import LOAD, SOON
from helpers.fake_engine import fake_engine
from playwright.sync_api import BrowserContext, FrameLocator, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG = 60_000
SPACE = "https://huggingface.co/spaces/ada/fair-portraits"

# The hub's page, by its documentation: it hands its own query to the frame, and takes over what the frame tells it.
HUB = """<iframe id="space" style="width: 1300px; height: 850px"></iframe><script>
document.getElementById('space').src = '{url}/' + (location.search ? location.search + '&' : '?') + '__theme=light';
addEventListener('message', ({{origin, data}}) => {{
  if (origin === '{url}' && 'queryString' in data) history.replaceState({{}}, '', '?' + data.queryString + (data.hash || ''));
}});
</script>"""
STRANGER = '<iframe id="space" src="{url}" style="width: 1300px; height: 850px"></iframe>'


def framed(page: Page) -> FrameLocator:
    frame = page.frame_locator("#space")
    expect(frame.locator("#start")).to_be_enabled(timeout=LOAD)
    expect(frame.locator("#status")).to_contain_text(re.compile(r"\w"), timeout=LOAD)
    return frame


def finetuned(page: Page) -> FrameLocator:
    frame = framed(page)
    frame.locator("#start").click()
    expect(frame.locator("#status")).to_contain_text("Finished", timeout=LONG)
    return frame


@pytest.fixture
def context(browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context
    context.close()


@contextmanager
def another_server(html: str) -> Iterator[str]:
    """A page on a port of its own, thus of another origin."""
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_on_the_hub_the_address_of_its_page_finds_the_run(context, serve):
    """Chromium keeps nothing for a frame of another site here: the address alone must do."""
    served = serve(fake_engine(.02))
    context.grant_permissions(["local-network-access"], origin="https://huggingface.co")  # the test's hub frames this machine
    context.route("https://huggingface.co/**", lambda route: route.fulfill(
        content_type="text/html", body=HUB.format(url=served.url.rstrip("/"))))
    page = context.new_page()
    page.goto(SPACE)
    finetuned(page)
    [run] = served.runs_root.glob("*/")
    page.wait_for_url(f"{SPACE}?job={run.name}")
    page.reload()
    expect(framed(page).locator("#status")).to_contain_text("Finished", timeout=SOON)
    page.frame_locator("#space").get_by_role("button", name="Advanced").click()
    page.frame_locator("#space").locator("#copy-link").click()
    page.wait_for_url(re.compile(r"\?settings=[\w-]+$"))


def test_in_any_other_frame_the_browser_remembers_the_run(context, serve):
    served = serve(fake_engine(.02))
    with another_server(STRANGER.format(url=served.url)) as outer:
        page = context.new_page()
        page.goto(outer)
        finetuned(page)
        page.reload()
        expect(framed(page).locator("#status")).to_contain_text("Finished", timeout=SOON)
        assert page.url.rstrip("/") == outer
        [run] = served.runs_root.glob("*/")
        for path in sorted(run.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        run.rmdir()
        page.reload()
        frame = framed(page)
        expect(frame.locator("#status")).to_contain_text("Ready", timeout=SOON)
        expect(frame.get_by_role("alert")).to_have_count(0)


def test_in_a_frame_the_link_is_in_a_field_of_its_own(context, serve):
    with another_server(STRANGER.format(url=serve(fake_engine(.02)).url)) as outer:
        page = context.new_page()
        page.goto(outer)
        frame = framed(page)
        frame.locator("#free-text textarea").fill("a barista")
        frame.get_by_role("button", name="Advanced").click()
        frame.locator("#copy-link").click()
        field = frame.locator("#link-text textarea, #link-text input").first
        expect(field).to_have_value(re.compile(r"^http://127.0.0.1:\d+/\?settings=[\w-]+$"), timeout=SOON)
        alone = context.new_page()
        alone.goto(field.input_value())
        expect(alone.locator("#free-text textarea")).to_have_value("a barista", timeout=LOAD)


def test_a_page_of_its_own_remembers_nothing(context, serve):
    """Its address does; the plain address opens the page as it is for everybody."""
    served = serve(fake_engine(.02))
    page = context.new_page()
    page.goto(served.url)
    page.locator("#start").click(timeout=LOAD)
    expect(page.locator("#status")).to_contain_text("Finished", timeout=LONG)
    page.goto(served.url)
    expect(page.locator("#status")).to_contain_text("Ready", timeout=LOAD)
