"""What saves memory and what computes in half precision holds for transformers as it does for U-Nets."""

from dataclasses import replace

import pytest
import torch
from helpers.small_pipelines import CONFIG
from helpers.small_transformers import loaded_flow, saved_flow
from torch.nn import functional as F

from fairness_core.denoisers.kinds import denoiser_of
from fairness_core.hardware.memory import Memory
from fairness_core.hardware.needs import needs_of
from fairness_core.models.loading import Model
from fairness_core.training.start import start
from fairness_core.training.step import add_gradients, batch_of_step


@pytest.fixture(scope="module", params=["sd35", "flux-dev"])
def folder(request, tmp_path_factory):
    return saved_flow(request.param, tmp_path_factory.mktemp("models") / request.param)


def gradient(model: Model) -> torch.Tensor:
    """Of the whole adapter, in one row, the loss scale taken back."""
    run = start(model, replace(CONFIG, tune="both"))
    assert {p.dtype for p in run.parameters} == {torch.float32}
    assert add_gradients(run, batch_of_step(run)).asked[0] is not None
    run.scaler.unscale_(run.optimizer)
    return torch.cat([p.grad.flatten() for p in run.parameters if p.grad is not None])


@pytest.fixture(scope="module")
def exact(folder):
    return gradient(loaded_flow(folder))


@pytest.mark.parametrize("memory", [Memory(images_at_once=1), Memory(gradient_checkpointing=True)])
def test_what_saves_memory_does_not_change_the_gradient(folder, exact, memory):
    found = gradient(loaded_flow(folder, memory=memory))
    assert (found - exact).norm() <= 1e-4 * exact.norm()


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_points_where_float32_does(folder, exact, half):
    model = loaded_flow(folder, precision=half)
    assert {p.dtype for p in model.network.parameters()} == {half}, "the frozen weights are in half precision"
    found = gradient(model)
    assert found.isfinite().all() and F.cosine_similarity(found, exact, dim=0) > 0.9


def test_weights_in_float32_may_be_computed_with_in_half_precision(folder, exact):
    """As with files that are said to need it; what autocast leaves stays."""
    model = loaded_flow(folder, precision=torch.bfloat16, dtype="float32")
    assert F.cosine_similarity(gradient(model), exact, dim=0) > 0.9


def test_memory_is_planned_from_shapes(folder):
    """One row for FLUX, which is guided without a second pass, two for SD 3; and nothing is touched."""
    model = loaded_flow(folder)
    parts = (model.network, model.vae, [model.text_encoder], [])
    small, large = (needs_of(*parts, side, torch.float32).unet for side in (4, 8))
    assert large > 0 and (large > small) == ("flux" in folder.name), "SD 3 knows one size alone"
    assert denoiser_of(model.network).passes == (1 if "flux" in folder.name else 2)
    assert next(model.network.parameters()).device.type == "cpu"
