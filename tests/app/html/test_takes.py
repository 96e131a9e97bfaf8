"""What a length does and how long it takes here, in words."""

from helpers.fake_engine import fake_presets

from app.html import render
from app.jobs.pace import Pace


def test_what_a_preset_does_and_how_long_it_takes():
    short, race = fake_presets()[0], fake_presets()[-1]
    told = render.takes(short, 12, Pace(.1))
    assert "Gender alone settles in this time. Takes about 1 s of finetuning (12 steps" in told
    assert "(12 steps of 0.1 s, estimated for this machine)" in told and "usual" not in told
    assert "of 0.2 s, as measured here" in render.takes(short, 12, Pace(.2, is_measured=True))
    assert "fewer than the usual 40, for this machine is slow" in render.takes(short, 12, Pace(9.), usual=40)
    assert "Race to equal shares on two occupations. Takes 14 steps; how long is told" in render.takes(race, 14)
    assert "Settings of your own. Takes 3 steps" in render.takes(None, 3)
