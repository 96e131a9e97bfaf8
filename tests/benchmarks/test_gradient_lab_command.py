"""The lab's command: what it writes can be read, and what is not finite does not break the file."""

import json
import math

import numpy as np
from helpers.fakes import tiny_model

from benchmarks import gradient_lab
from fairness_core.gradient_lab.measure import GRADIENTS, LabSettings, LossPoint, ScalePoint

SETTINGS = LabSettings("a nurse", "a chef", runs=1, steps=1, images=1, noises=2, sampling_steps=2, guidance_scale=3.0,
                       lora_rank=2)


def test_it_writes_data_figures_and_sentences(tmp_path, capsys):
    gradient_lab.run_lab(tiny_model(), SETTINGS, tmp_path)
    data = json.loads((tmp_path / "gradient_lab.json").read_text(encoding="utf-8"))
    assert data["settings"]["prompt"] == "a nurse" and len(data["loss"]["points"]) == 6
    assert list(data["loss"]["bands"]) == list(data["scale"]["bands"]) == list(GRADIENTS)
    assert len(data["scale"]["bands"]["naive"]["mean"]) == 2
    printed = capsys.readouterr().out
    for name in ("loss", "scale"):
        page = (tmp_path / f"{name}.html").read_text(encoding="utf-8")
        assert "Plotly.newPlot" in page and 'src="http' not in page
        assert data[name]["sentence"] in printed


def test_what_is_not_finite_becomes_null():
    losses = [LossPoint(gradient, 0, step, math.nan) for gradient in GRADIENTS for step in (0, 1)]
    scales = [ScalePoint(0, np.array([900, 300]), {g: np.array([1.0, math.inf]) for g in GRADIENTS})]
    data = gradient_lab.as_data(tiny_model(), SETTINGS, losses, scales, {})
    assert json.loads(json.dumps(data, allow_nan=False))["loss"]["points"][0]["loss"] is None
    assert data["scale"]["points"][0]["naive"] == [1.0, None]
