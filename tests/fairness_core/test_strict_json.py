"""JSON that holds no NaN."""

import json
import math

import numpy as np
import pytest
import torch

from fairness_core.strict_json import to_json, with_nan, without_nan


def test_what_is_not_finite_is_null_and_comes_back_as_nan():
    data = {"a": [1.5, math.nan, (math.inf, "NaN")], "b": np.float32("nan"), "c": torch.tensor(-math.inf), "d": True}
    text = to_json(data)
    assert json.loads(text, parse_constant=pytest.fail) == {"a": [1.5, None, [None, "NaN"]], "b": None, "c": None, "d": True}
    assert " " not in text
    back = with_nan(json.loads(text))
    assert math.isnan(back["a"][1]) and math.isnan(back["b"]) and back["d"] is True


def test_finite_numbers_of_any_library_stay_exact():
    assert without_nan({"x": np.float64(.1), "n": np.int64(3), "t": torch.tensor(.5), "none": None}) == {
        "x": .1, "n": 3, "t": .5, "none": None}
