"""The group normalisation of a CPU against torch's own."""

import pytest
import torch
from helpers.fakes import tiny_unet
from torch import nn

from fairness_core.hardware.group_norm import RowGroupNorm, quicken_group_norms
from fairness_core.models.loading import prepare_for_speed

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def pair(groups: int, channels: int) -> tuple[nn.GroupNorm, RowGroupNorm]:
    """torch's, and ours of the same weights."""
    generator = torch.Generator().manual_seed(0)
    layers = nn.Sequential(nn.GroupNorm(groups, channels))
    for weights in layers.parameters():
        weights.data = torch.randn(channels, generator=generator)
    theirs = layers[0]
    quicken_group_norms(layers)
    return theirs, layers[0]


def maps_like(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    maps = 3 + 2 * torch.randn(shape, generator=torch.Generator().manual_seed(1))
    return maps.to(dtype, memory_format=torch.channels_last)


@pytest.mark.parametrize("groups, shape", [(8, (3, 16, 32, 32)), (16, (2, 64, 16, 16)), (3, (2, 6, 5, 3)), (1, (1, 7, 4, 4)),
                                           (32, (2, 2048, 2, 2))])
def test_values_and_gradients_are_torchs(groups, shape):
    answers = []
    for layer in pair(groups, shape[1]):
        maps = maps_like(*shape).requires_grad_()
        result = layer(maps)
        result.backward(maps_like(*shape) ** 2)
        answers.append((result, maps.grad, layer.weight.grad, layer.bias.grad))
        layer.zero_grad()
    for theirs, ours in zip(*answers, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * theirs.abs().max().item())
    assert answers[1][0].is_contiguous(memory_format=torch.channels_last)


def test_half_precision_stays_what_it_is_and_is_as_exact():
    theirs, ours = pair(8, 16)
    maps = maps_like(4, 16, 64, 64, dtype=torch.bfloat16)
    exact = nn.functional.group_norm(maps.double(), 8, ours.weight.double(), ours.bias.double())
    assert ours(maps).dtype == torch.bfloat16
    assert (ours(maps) - exact).abs().max() <= 1.5 * (theirs(maps) - exact).abs().max()


def test_frozen_weights_get_no_gradient():
    _, ours = pair(8, 16)
    ours.requires_grad_(False)
    maps = maps_like(2, 16, 8, 8).requires_grad_()
    ours(maps).sum().backward()
    assert maps.grad is not None and ours.weight.grad is None


@pytest.mark.parametrize("maps", [maps_like(2, 16, 8, 8).contiguous(), torch.randn(2, 16, 9)])
def test_other_layouts_go_torchs_way(maps):
    theirs, ours = pair(8, 16)
    assert torch.equal(ours(maps), theirs(maps))


def test_a_prepared_network_keeps_its_names_and_on_a_gpu_torchs_layers():
    for device, kind in ((CPU, RowGroupNorm), (GPU, nn.GroupNorm)):
        network, vae = tiny_unet(), nn.Sequential(nn.GroupNorm(4, 8))
        names = list(network.state_dict())
        prepare_for_speed(network, vae, device)
        layers = [layer for part in (network, vae) for layer in part.modules() if isinstance(layer, nn.GroupNorm)]
        assert {type(layer) for layer in layers} == {kind} and len(layers) > 5
        assert list(network.state_dict()) == names
