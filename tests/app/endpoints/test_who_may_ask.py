"""Every named endpoint about someone's run: as who started it, as a stranger on a shared Space, and on one's own machine."""

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from helpers.fake_engine import fake_engine
from helpers.jobs import wait

from app.jobs.limits import Limits
from app.jobs.visitors import Visitors

LIMITS = Limits(minutes=60, steps=500, images=5000, jobs=9, queue=20, sampling_steps=20, images_per_prompt=8,
                upload_megabytes=1)
OWNER, STRANGER = "8.8.8.8", "9.9.9.9"
PARITY = {"gender": {"female": 50, "male": 50}}
LOOKS = {"/models": lambda job_id: (), "/status": lambda job_id: (job_id,), "/report": lambda job_id: (job_id, "csv"),
         "/compare": lambda job_id: (["nurse"], 2, 0, job_id), "/audit": lambda job_id: ([], {}, .1, 0, 0, job_id),
         "/finetune": lambda job_id: (PARITY, ["chef"])}
CHANGES = {"/stop": lambda job_id: (job_id,)}


def client(served, address: str) -> Client:
    """A visitor behind the Space's proxy."""
    return Client(served.url, verbose=False, headers={"x-forwarded-for": address})


def test_looking_is_open_and_changing_is_for_who_started_it(serve):
    served = serve(fake_engine(.01), visitors=Visitors(LIMITS))
    owner, stranger = client(served, OWNER), client(served, STRANGER)
    named = owner.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {*LOOKS, *CHANGES}, "say of a new endpoint who may ask it"
    job_id = owner.predict(PARITY, ["chef"], api_name="/finetune")["job_id"]
    wait(served.runner, job_id, "finished")
    for visitor in (owner, stranger):
        for name, arguments in LOOKS.items():
            assert visitor.predict(*arguments(job_id), api_name=name)
    for name, arguments in CHANGES.items():
        with pytest.raises(AppError, match=f"Run {job_id} is not yours"):
            stranger.predict(*arguments(job_id), api_name=name)
        assert owner.predict(*arguments(job_id), api_name=name)["job_id"] == job_id


def test_at_home_everyone_may(serve):
    served = serve(fake_engine(.01))
    job_id = client(served, OWNER).predict(PARITY, ["chef"], api_name="/finetune")["job_id"]
    wait(served.runner, job_id, "finished")
    for name, arguments in {**LOOKS, **CHANGES}.items():
        assert client(served, STRANGER).predict(*arguments(job_id), api_name=name)
