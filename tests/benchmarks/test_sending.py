"""Numbers that are sent to a GPU so that the host waits for it: found on a CPU, where nothing is sent."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.fakes import tiny_model
from torch import nn

from benchmarks import operations, waits
from fairness_core.critics.classifiers import LabelClassifier
from fairness_core.critics.faces import ALIGNED_LANDMARKS, align_faces, crop_faces
from fairness_core.critics.preprocess import Preprocess
from fairness_core.hardware.waiting import constant, may_wait, to_device
from fairness_core.sampling.denoise import decode, unscaled

DEVICE, HERE = torch.device("cpu"), torch.arange(6.0).view(2, 3)  # as if on a GPU
VIEW = Preprocess((8, 8), None, (0.5, 0.4, 0.3), (0.5,) * 3)


@pytest.mark.parametrize("send, name", [
    (lambda: HERE.new_tensor([1.0]), "new_tensor"),
    (lambda: torch.tensor(1.0, device=DEVICE), "tensor with a device"),
    (lambda: torch.as_tensor(np.ones(2), device=DEVICE), "as_tensor with a device"),
    (lambda: torch.tensor([1.0]).to(DEVICE), "to of the host's numbers"),
    (lambda: torch.tensor([1.0]).to(device=DEVICE, dtype=torch.float64), "to of the host's numbers"),
    (lambda: (2 * torch.from_numpy(np.ones(2))).to(HERE), "to of the host's numbers"),
    (lambda: torch.stack([torch.zeros(2), torch.randn(2)]).to(DEVICE), "to of the host's numbers"),
    (lambda: HERE[[0, 1]], "an index of the host's numbers"),
    (lambda: HERE[:, [2]], "an index of the host's numbers"),
    (lambda: HERE[torch.tensor([1])], "an index of the host's numbers"),
])
def test_what_waits_is_named(send, name):
    with operations.failing(), pytest.raises(operations.HostWait, match=f"{name} makes the host wait.*to_device"):
        send()
    with operations.failing(), may_wait():
        send()


def test_what_does_not_wait_is_let_pass():
    with operations.failing() as counts:
        places = to_device(torch.tensor([1, 0]), DEVICE)
        HERE[places], HERE[0], HERE[:, 1:], HERE[None, ..., None], HERE.to(DEVICE), places.to(DEVICE)
        torch.tensor([1.0]).to(torch.float64), torch.from_numpy(np.ones(2)).to("cpu", torch.float64)
        torch.arange(3, device=DEVICE), torch.linspace(0, 1, 3, device=DEVICE), torch.full((2,), 1.0, device=DEVICE)
        HERE * torch.tensor(2.0), torch.randn(4)[torch.tensor([1, 2])], constant((1.0, 2.0), DEVICE)
    assert not counts.reads


def label_classifier() -> LabelClassifier:
    network = nn.Module()
    network.forward = lambda pixel_values: SimpleNamespace(logits=pixel_values.mean((2, 3)))
    return LabelClassifier(network, VIEW, [[0, 2], [1]])


IMAGES = torch.rand(2, 3, 16, 16)
LANDMARKS, BOXES = 16 * torch.tensor(ALIGNED_LANDMARKS).expand(2, 5, 2), torch.tensor([[2.0, 2, 9, 9]]).expand(2, 4)
PARTS = {
    "a view": lambda: VIEW(IMAGES),
    "a classifier of many labels": lambda: label_classifier()(IMAGES),
    "an aligned crop": lambda: align_faces(IMAGES, LANDMARKS, 8),
    "a crop": lambda: crop_faces(IMAGES, BOXES, 8),
    "latents with means": lambda: unscaled({"latents_mean": [0.1] * 3, "latents_std": [2.0] * 3, "scaling_factor": 0.5}, IMAGES),
}


@pytest.mark.parametrize("part", PARTS)
def test_what_a_step_asks_of_the_critics_waits_for_nothing(part):
    constant.cache_clear()
    with operations.failing():
        first, again = PARTS[part](), PARTS[part]()
    assert torch.equal(first, again)


def test_a_constant_is_sent_once():
    first = constant((1.0, 2.0), DEVICE)
    assert constant((1.0, 2.0), DEVICE) is first and first.tolist() == [1.0, 2.0] and first.dtype == torch.float32
    assert constant((1.0, 2.0), DEVICE, torch.float64).dtype == torch.float64


def test_every_wait_of_a_gpu_is_found_by_its_place(monkeypatch):
    """Here by the warning that torch gives there."""
    modes = []
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)
    model = tiny_model()

    def wait(module, arguments):
        warnings.warn("called a synchronizing CUDA operation")

    model.vae.decoder.register_forward_pre_hook(wait)
    with pytest.warns(UserWarning, match="something else"), waits.waits_of_gpu() as found:
        for _ in range(2):
            decode(model.vae, torch.zeros(1, *model.latent_shape))
        warnings.warn("something else")
    [(place, times)] = found.items()
    assert modes == ["warn", 0] and place.startswith("denoise.py:") and times == 2
