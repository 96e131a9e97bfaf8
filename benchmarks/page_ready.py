"""How long until the page can be used, and until its first pair of pictures is seen: python -m benchmarks.page_ready

Starts `python app.py` as a visitor's machine would and looks at the page with a browser (chromium on the path) until
the recorded run's pictures are there; then a second visitor opens it, and waits for the first pair alone.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
LONGEST_START = 120
# takes from root the right to write where nobody may: a checkout without write permission is one for root, too
UNPRIVILEGED = ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-all")


@contextmanager
def served(python: str = sys.executable, folder: Path = ROOT, environment: Mapping[str, str] = os.environ,
           within: Sequence[str] = ()) -> Iterator[str]:
    """Runs app.py without arguments in `folder`, by the command `within` if given; yields the page's address at once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen([*within, python, "app.py"], cwd=folder, stdout=log, stderr=subprocess.STDOUT,
                                  env=dict(environment) | {"GRADIO_SERVER_PORT": port})
        try:
            yield f"http://127.0.0.1:{port}"
        except BaseException:
            log.seek(0)
            print(log.read(), file=sys.stderr)
            raise
        finally:
            server.terminate()
            server.wait(timeout=30)


def answering(url: str, seconds: float = LONGEST_START) -> None:
    """Waits until the server answers. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            httpx.get(url, timeout=5).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(.05)
    raise TimeoutError(f"Nothing answers at {url} after {seconds:.0f} s.")


@contextmanager
def browser_page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1440, "height": 1000})
        browser.close()


def recorded_run_is_shown(page: Page, url: str) -> None:
    """Opens the page and waits for the recorded run's pictures and a Start that can be pressed."""
    page.goto(url)
    page.locator("#origin", has_text="Recorded run").wait_for()
    page.locator("#pairs .pair img, #pairs .pair").first.wait_for()
    page.locator("#start:not([disabled])").wait_for()


def another_visitor(page: Page) -> Page:
    """Who has nothing of the page in the browser's cache."""
    return page.context.browser.new_page(viewport={"width": 1440, "height": 900})


def first_pair_is_seen(page: Page, url: str) -> float:
    """Seconds from the visit to a pair of pictures that is painted in the window."""
    started = time.monotonic()
    page.goto(url, wait_until="commit")
    page.wait_for_function("""() => [...document.querySelectorAll('.pair')].some((pair) => {
      const box = pair.getBoundingClientRect(), images = [...pair.querySelectorAll('img')];
      return box.width && box.bottom <= innerHeight && images.length === 2 && images.every((i) => i.complete && i.naturalWidth);
    })""")
    return time.monotonic() - started


def measure() -> tuple[float, float, float]:
    """Seconds from the command to the first answer, and to the page that can be used; from a visit to the first pair."""
    with tempfile.TemporaryDirectory() as runs, browser_page() as page:
        started = time.monotonic()
        with served(environment=os.environ | {"FAIRNESS_RUNS_DIR": runs}) as url:
            answering(url)
            first = time.monotonic() - started
            recorded_run_is_shown(page, url)
            usable = time.monotonic() - started
            return first, usable, first_pair_is_seen(another_visitor(page), url)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    for number in range(1, parser.parse_args().repeats + 1):
        first, usable, pair = measure()
        print(f"start {number}: the server answers after {first:.1f} s, the page can be used after {usable:.1f} s; "
              f"a visitor sees the first pair {pair:.1f} s after opening it", flush=True)


if __name__ == "__main__":
    main()
