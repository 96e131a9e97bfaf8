"""The page's speed without the page: what is drawn and compared is what the page would."""

import json
import time

import pytest

from benchmarks import app_speed


def test_plots_of_many_prompts_hold_every_prompt():
    comparisons = app_speed.many_prompts()
    assert len({c.prompt for c in comparisons}) == app_speed.PROMPTS
    assert all(c.original.prompt == c.tuned.prompt == c.prompt for c in comparisons)
    distribution, *others = map(json.loads, app_speed.draw_plots(comparisons))
    assert len(others) == 2
    assert max(len(trace["y"]) for trace in distribution["data"] if "y" in trace) >= app_speed.PROMPTS


def test_the_first_time_does_not_count():
    calls = []
    seconds = app_speed.times(lambda: calls.append(1) or time.sleep(0.01 if len(calls) > 1 else 0.2), 2)
    assert len(calls) == 3 and len(seconds) == 2 and max(seconds) < 0.15


def test_what_was_not_measured_is_said():
    found = {f"plots of {app_speed.PROMPTS} prompts": [0.2, 0.4, 0.3]}
    text = app_speed.as_markdown(found, {"device": "a machine", "threads": 1, "cores": 2})
    assert "| page ready | not measured: there is no chromium here | 10 |" in text
    assert "| 0.30 (0.20 to 0.40) | 1 |" in text and "No GPU" in text


def test_a_wrong_count_is_refused():
    with pytest.raises(SystemExit):
        app_speed.main(["--repeats", "0"])
