"""What the endpoints answer of a job, without a server."""

import json
import math

import pytest

from app.endpoints.asking import events
from app.html.render import status_record
from app.jobs.files import RUNNING, JobRequest, JobView
from fairness_core.events import StepDone
from fairness_core.settings.config import FinetuneConfig


def test_a_step_whose_loss_is_not_finite_is_json_for_every_reader():
    step = StepDone(1, 2, 2.0, "a nurse", {"total": 1.0, "face": math.nan}, {"gender": math.inf}, 4, 0)
    view = JobView("20260101-000000-abcdef", JobRequest("finetune", FinetuneConfig(steps=2), ("a nurse",)), RUNNING, "",
                   steps=(step,))
    text = json.dumps([status_record(view), events(view, 0)])
    told, [event] = json.loads(text, parse_constant=pytest.fail)
    assert told["losses"] == event["losses"] == {"total": 1.0, "face": None} and told["distance"] == {"gender": None}
