"""Whether the project would run as a Hugging Face Space: python -m tests.space_check, or make space-check

Takes the committed files alone, installs what a Gradio Space installs, in a new environment of the front matter's
Python, starts app.py without arguments from a checkout that cannot be written, and drives the page.
"""

import argparse
import glob
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from gradio_client import Client
from gradio_client.exceptions import AppError
from packaging.requirements import Requirement

from app.deploy import gather
from benchmarks.page_ready import ROOT, UNPRIVILEGED, answering, browser_page, recorded_run_is_shown, served

ZERO_GPU_PYTHONS = ("3.10", "3.12")
ZERO_GPU_TORCH = ("2.8.0", "2.9.1", "2.10.0", "2.11.0")
LIMIT_SECONDS = {"chromium": 60, "answer": 180}


def said(words: str) -> None:
    print(f"space-check: {words}", flush=True)


def committed_files(folder: Path) -> Path:
    """The project as make space-deploy would put it on a Space, of committed files alone."""
    checkout = folder.with_name("checkout")
    for made in (folder, checkout):
        made.mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "x"], cwd=checkout, check=True, input=archive)
    gather(folder, checkout)
    size = sum(path.stat().st_size for path in folder.rglob("*")) / 1e6
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True)
    said(f"commit {commit.stdout.strip()}, {size:.0f} MB of files")
    return folder


def front_matter(folder: Path) -> dict:
    """README's head. Raises AssertionError for what a Space would not accept."""
    front = yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("---")[1])
    assert front["sdk"] == "gradio" and (folder / front["app_file"]).exists() and front["license"] == "apache-2.0"
    assert len(front["short_description"]) <= 60
    assert front["python_version"] in ZERO_GPU_PYTHONS, "ZeroGPU knows no other Python"
    needed = {r.name: r for r in requirements(folder)}
    assert needed["gradio"].specifier.contains(front["sdk_version"]), "two versions of gradio are asked for"
    assert needed["torch"].specifier.contains(ZERO_GPU_TORCH[-1]), "ZeroGPU has no torch for requirements.txt"
    allowed = [v for v in ("2.7.1", "2.12.0", "2.13.0") if needed["torch"].specifier.contains(v)]
    assert not allowed, f"torch {allowed} may be installed, which ZeroGPU does not know"
    assert "spaces" not in needed, "the Space brings its own"
    return front


def requirements(folder: Path) -> list[Requirement]:
    asked = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    lines = (line.split("#")[0].strip() for line in asked)
    return [Requirement(line) for line in lines if line]


def interpreter(version: str) -> str:
    """A Python of this version on this machine. Raises SystemExit when there is none."""
    for candidate in (f"python{version}", *glob.glob(str(Path.home() / f".pyenv/versions/{version}.*/bin/python"))):
        try:
            subprocess.run([candidate, "--version"], check=True, capture_output=True)
            return candidate
        except (OSError, subprocess.CalledProcessError):
            continue
    raise SystemExit(f"There is no Python {version} on this machine, which README.md's front matter asks for: install it.")


def environment_of_the_space(folder: Path, front: dict, place: Path) -> str:
    """A new virtual environment with what a Gradio Space installs, in one go, and its Python. Raises on a clash."""
    started = time.monotonic()
    subprocess.run([interpreter(front["python_version"]), "-m", "venv", place], check=True)
    python = str(place / "bin" / "python")
    asked = ["--requirement", str(folder / "requirements.txt"), f"gradio[oauth,mcp]=={front['sdk_version']}", "spaces",
             "uvicorn>=0.14.0"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *asked], check=True)
    subprocess.run([python, "-m", "pip", "check"], check=True)
    said(f"Python {front['python_version']}, gradio {front['sdk_version']}: installed in {time.monotonic() - started:.0f} s, "
         "nothing clashes")
    return python


def drive(python: str, folder: Path, scratch: Path) -> None:
    """Starts app.py as a Space does and looks at it as a visitor does."""
    subprocess.run(["chmod", "-R", "a+rX,a-w", folder], check=True)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    environment = {"PATH": os.environ["PATH"], "HOME": str(scratch), "SYSTEM": "spaces", "SPACE_ID": "someone/fair-portraits",
                   "SPACE_HOST": "someone-fair-portraits.hf.space", "GRADIO_SERVER_NAME": "0.0.0.0",
                   "GRADIO_ANALYTICS_ENABLED": "False", "FAIRNESS_RUNS_DIR": str(scratch / "data" / "runs")}
    within = UNPRIVILEGED if os.geteuid() == 0 else ()
    started = time.monotonic()
    with served(python, folder, environment, within) as url, browser_page() as page:
        answering(url, LIMIT_SECONDS["answer"])
        page.set_default_timeout(1000 * LIMIT_SECONDS["chromium"])
        recorded_run_is_shown(page, url)
        said(f"the recorded run is on the page {time.monotonic() - started:.0f} s after the start")
        assert "This Space is shared" in page.locator("#hosting").inner_text()
        client = Client(url, verbose=False)
        models = client.predict(api_name="/models")
        assert models[0]["name"] == "mini" and not models[0]["unavailable"]
        said(f"/models answers: {', '.join(model['name'] for model in models)}")
        compared = client.predict(["nurse"], 2, api_name="/compare")
        assert compared["state"] == "finished" and compared["results"]["prompts"][0]["images"] == 2
        said("the built-in model paints")
        refused(client)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    said("nothing was written into the checkout")


def refused(client: Client) -> None:
    """A Long run is more than a visitor of a Space may ask for."""
    try:
        client.predict({"gender": {"female": 50, "male": 50}}, ["chef"], "Long", api_name="/finetune")
    except AppError as error:
        assert "are left to you" in str(error), error
        said("limits for each visitor hold")
    else:
        raise AssertionError("a Long run was accepted")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", help="of an environment made before, instead of a new one")
    given = parser.parse_args().python
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        folder = committed_files(scratch / "space")
        front = front_matter(folder)
        drive(given or environment_of_the_space(folder, front, scratch / "environment"), folder, scratch)
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)
    said("the project runs as a Space")


if __name__ == "__main__":
    sys.exit(main())
