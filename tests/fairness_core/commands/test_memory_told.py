"""How a GPU's memory is used is said where a command is run."""

from dataclasses import replace

import pytest
from helpers.fakes import tiny_model

from fairness_core.commands import common


@pytest.mark.parametrize("told", ["GPU memory: 78 GB free.", ""])
def test_it_is_said_on_standard_error_once_the_model_is_there(monkeypatch, capsys, told):
    asked = {}
    monkeypatch.setattr(common, "load_model", lambda name, **options: asked.update(options) or replace(
        tiny_model(), memory_told=told))
    common.loaded("tiny", ["images_at_once=2"])
    assert asked == {"memory_changes": ["images_at_once=2"]}
    assert capsys.readouterr() == ("", told + "\n" if told else "")
