"""What a visitor downloads is what is on show: opened after a correction, and after steps were added."""

import csv
import io
from zipfile import ZipFile

import httpx
import pytest
import yaml
from helpers.fake_engine import Pace, fake_engine
from helpers.jobs import request, wait, wait_for_phase
from safetensors.numpy import load

from app.html.render import class_choices
from app.rooms.compare import CompareRoom
from app.rooms.compare_choices import CHOSEN_FOR
from app.rooms.compare_figures import attribute_pairs
from app.rooms.correcting import NO_FACE, correction
from app.rooms.desk import Desk

FIRST_LOOK = {"prompt": None, "bars": ["gender"], "plot_class": class_choices()[0][1], "sort": "before",
              "joint_pair": attribute_pairs()[0][1], CHOSEN_FOR: ""}
ADDED_STEPS = Pace(hold=5)  # waits for the test before the fifth step


class OpenPage:
    """A page that stays open: a download button keeps what it was last given."""

    def __init__(self, served, job_id: str):
        self.url, self.desk = served.url, Desk(served.runner)
        self.desk.rooms = [CompareRoom(self.desk)]
        self.values, self.buttons = FIRST_LOOK | {"job_id": job_id, "seen": {}}, {}

    def refresh(self) -> None:
        updates = self.desk.refresh(self.values)
        self.values["seen"] = updates["seen"]
        self.buttons |= {name: updates[name] for name in ("adapter", "archive") if name in updates}

    def press(self, button: str) -> bytes | None:
        """What is downloaded; None where there is nothing to."""
        if not self.buttons[button]["visible"]:
            return None
        return httpx.get(f"{self.url}/gradio_api/file={self.buttons[button]['value']}").raise_for_status().content


@pytest.fixture
def finished(serve):
    served = serve(fake_engine(.1, pace=ADDED_STEPS))
    view = wait(served.runner, served.runner.submit(request()), "finished")
    page = OpenPage(served, view.job_id)
    page.refresh()
    return served.runner, view, page


def opened(archive: bytes) -> tuple[list[dict], int, int]:
    """The measures, the steps of the settings, and the step of the adapter in a zip."""
    with ZipFile(io.BytesIO(archive)) as parts:
        measures = list(csv.DictReader(io.StringIO(parts.read("metrics.csv").decode())))
        return (measures, yaml.safe_load(parts.read("config.yaml"))["steps"],
                int(load(parts.read("pytorch_lora_weights.safetensors"))["step"][0]))


def test_after_a_correction(finished):
    runner, view, page = finished
    before = page.press("archive")
    page.refresh()
    assert page.press("archive") == before, "nothing has changed"
    runner.correct(view.job_id, [correction(c.prompt, "tuned", n, NO_FACE) for c in view.comparisons
                                 for n in c.tuned.numbers if c.tuned.found[n]][1:])
    page.refresh()
    (measured, *rest), (corrected, *same) = opened(before), opened(page.press("archive"))
    assert measured != corrected and rest == same == [4, 4]
    assert page.press("archive") == view.folder.joinpath(f"{view.job_id}.zip").read_bytes()


def test_after_steps_were_added(finished):
    runner, view, page = finished
    assert opened(page.press("archive"))[1:] == (4, 4) and load(page.press("adapter"))["step"] == [4]
    runner.go_on(view.job_id, 2)
    wait_for_phase(runner, view.job_id, "finetuning")
    page.refresh()
    assert page.press("archive") is None, "that of the run before its added steps is gone, the new one not yet made"
    ADDED_STEPS.go()
    wait(runner, view.job_id, "finished")
    page.refresh()
    assert opened(page.press("archive"))[1:] == (6, 6) and load(page.press("adapter"))["step"] == [6]
