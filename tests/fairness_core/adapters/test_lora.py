"""LoRA on either tower: identity at the start, strength, and nothing left behind."""

import pytest
import torch
from helpers.fakes import LATENT_SHAPE, WIDTH, tiny_text_encoder, tiny_tokenizer, tiny_unet
from torch import Tensor, nn

from fairness_core.adapters.attach import TEXT_ENCODER_LAYERS
from fairness_core.adapters.lora import attach_lora, detach_lora, lora_layers, lora_strength, lora_tensors, merge_lora
from fairness_core.denoisers.unet import UNet
from fairness_core.sampling.denoise import encode_prompts

RANK = 3


class Tower:
    """A network, the layers that get LoRA, and what it answers to a fixed input."""

    def __init__(self, kind: str):
        self.network = tiny_text_encoder() if kind == "text_encoder" else tiny_unet()
        self.layers = sum(TEXT_ENCODER_LAYERS.values(), ()) if kind == "text_encoder" else UNet.layers
        generator = torch.Generator().manual_seed(0)
        self.latents = torch.randn(2, *LATENT_SHAPE, generator=generator)
        self.embeddings = torch.randn(2, 5, WIDTH, generator=generator)

    def attach(self, rank: int = RANK, alpha: float = RANK) -> list[nn.Parameter]:
        return attach_lora(self.network, rank, alpha, self.layers)

    def answer(self) -> Tensor:
        if isinstance(self.network, type(tiny_unet())):
            return self.network(self.latents, torch.tensor(500), self.embeddings).sample
        return encode_prompts(tiny_tokenizer(), self.network, ["a nurse", "a chef"])

    @torch.no_grad()
    def __call__(self) -> Tensor:
        return self.answer()


@pytest.fixture(params=["text_encoder", "unet"])
def tower(request) -> Tower:
    return Tower(request.param)


@torch.no_grad()
def perturb(parameters: list[nn.Parameter], seed: int = 0, size: float = 0.3) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in parameters:
        parameter.add_(size * torch.randn(parameter.shape, generator=generator))


def copy_of(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def assert_same_weights(network: nn.Module, expected: dict[str, Tensor]) -> None:
    found = network.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_fresh_lora_changes_nothing(tower):
    before = tower()
    tower.attach()
    assert torch.equal(tower(), before)


def test_only_lora_is_trainable_and_covers_the_layers_asked_for(tower):
    parameters = tower.attach()
    trainable = {name for name, p in tower.network.named_parameters() if p.requires_grad}
    assert len(trainable) == len(parameters) and all("lora_" in name for name in trainable)
    assert all(any(f".{layer}.lora_A" in name for name in trainable) for layer in tower.layers)
    assert all(p.dtype == torch.float32 for p in parameters)
    assert {min(p.shape) for p in parameters} == {RANK}


def test_base_weights_never_change_in_training(tower):
    before = copy_of(tower.network)
    parameters = tower.attach()
    tower.answer().square().sum().backward()
    torch.optim.AdamW(parameters, lr=0.1).step()
    held = {n.replace("base_layer.", ""): v for n, v in tower.network.state_dict().items() if "lora_" not in n}
    assert all(torch.equal(held[name], value) for name, value in before.items())
    detach_lora(tower.network)
    assert_same_weights(tower.network, before)


def test_detach_restores_the_network_and_may_be_repeated(tower):
    before, weights, attributes = tower(), copy_of(tower.network), set(vars(tower.network))
    perturb(tower.attach())
    assert not torch.allclose(tower(), before)
    detach_lora(tower.network)
    detach_lora(tower.network)
    assert torch.equal(tower(), before)
    assert_same_weights(tower.network, weights)
    assert set(vars(tower.network)) == attributes


def test_attaching_replaces_the_earlier_lora(tower):
    before = tower()
    perturb(tower.attach())
    parameters = tower.attach(rank=RANK + 1)
    assert torch.equal(tower(), before)
    assert {min(p.shape) for p in parameters} == {RANK + 1}


def test_strength_is_zero_for_the_original_and_comes_back_after_the_block(tower):
    original = tower()
    perturb(tower.attach(alpha=2 * RANK))
    tuned = tower()
    with lora_strength(tower.network, 0.0):
        assert torch.equal(tower(), original)
        with lora_strength(tower.network, 1.0):
            assert torch.equal(tower(), tuned)
        assert torch.equal(tower(), original)
    assert torch.equal(tower(), tuned)
    with pytest.raises(RuntimeError), lora_strength(tower.network, 0.0):
        raise RuntimeError
    assert torch.equal(tower(), tuned)


@pytest.mark.parametrize(("alpha", "strength"), [(RANK, 0.5), (RANK, 1.5), (2 * RANK, 1.0), (1, 1.0)])
def test_alpha_over_rank_and_strength_multiply_every_b(tower, alpha, strength):
    perturb(tower.attach(alpha=alpha))
    with lora_strength(tower.network, strength):
        found = tower()
    matrices = [layer.lora_B["fairness"].weight.detach().clone() for layer in lora_layers(tower.network)]
    factors = [layer.lora_A["fairness"].weight.detach().clone() for layer in lora_layers(tower.network)]
    tower.attach()
    with torch.no_grad():
        for layer, b, a in zip(lora_layers(tower.network), matrices, factors):
            layer.lora_B["fairness"].weight.copy_(b * alpha / RANK * strength)
            layer.lora_A["fairness"].weight.copy_(a)
    torch.testing.assert_close(found, tower(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("strength", [0.5, 1.0, 1.5])
def test_merged_weights_answer_as_attached_lora(tower, strength):
    perturb(tower.attach(alpha=2 * RANK))
    names = set(tiny_names(tower))
    with lora_strength(tower.network, strength):
        expected = tower()
        merge_lora(tower.network)
    torch.testing.assert_close(tower(), expected, rtol=1e-4, atol=1e-5)
    assert set(tower.network.state_dict()) == names and not lora_tensors(tower.network)


def tiny_names(tower: Tower) -> list[str]:
    return [n.replace("base_layer.", "") for n in tower.network.state_dict() if "lora_" not in n]


def test_an_unknown_layer_is_refused(tower):
    with pytest.raises(ValueError, match="not found"):
        attach_lora(tower.network, RANK, RANK, ["no_such_layer"])
