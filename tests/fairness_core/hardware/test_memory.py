"""What can be done where GPU memory is short: the same pictures and gradients, with less."""

from dataclasses import replace

import pytest
import torch
from helpers.gradients import peak_saved_bytes
from helpers.small_pipelines import CONFIG, GUIDANCE, NUMBERS, PROMPT, STEPS, loaded, saved
from torch import Tensor, nn

from fairness_core.evaluation.compare import paint
from fairness_core.hardware.memory import (CHOICES, Memory, Needs, changed_memory, choose_memory, keep_on_cpu,
                                           memory_words, too_little)
from fairness_core.models import loading, registry
from fairness_core.models.loading import Model, available_models
from fairness_core.sampling.denoise import decode
from fairness_core.settings.config import ConfigError
from fairness_core.training.start import start
from fairness_core.training.step import add_gradients, batch_of_step

OPTIONS = {"images at once": Memory(images_at_once=1), "checkpointing": Memory(gradient_checkpointing=True),
           "slicing": Memory(attention_slicing=True), "critics on the CPU": Memory(critics_on_cpu=True)}


def picture_and_gradient(model: Model, seed: int = 0) -> list[Tensor]:
    picture = paint(model, PROMPT, NUMBERS, seed, STEPS, GUIDANCE)
    run = start(model, replace(CONFIG, tune="both"))
    assert add_gradients(run, batch_of_step(run)).asked[0] is not None
    return [picture, *(p.grad.clone() for p in run.parameters if p.grad is not None)]


@pytest.fixture(scope="module", params=["sd15", "sdxl"])
def folder(request, tmp_path_factory):
    return saved(request.param, tmp_path_factory.mktemp("models") / request.param)


@pytest.fixture(scope="module")
def expected(folder):
    return picture_and_gradient(loaded(folder))


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_changes_neither_picture_nor_gradient(folder, expected, option):
    found = picture_and_gradient(loaded(folder, memory=OPTIONS[option]))
    assert len(found) == len(expected)
    for ours, plain in zip(found, expected):
        assert (ours - plain).norm() <= 1e-4 * plain.norm() + 1e-7


def test_checkpointing_holds_less_for_the_backward_pass(folder):
    def held(memory: Memory) -> int:
        model = loaded(folder, memory=memory)
        latents = torch.randn(4, *model.latent_shape, requires_grad=True)
        return peak_saved_bytes(lambda: decode(model.vae, latents).sum().backward())
    assert held(Memory(gradient_checkpointing=True)) < 0.3 * held(Memory())


def test_tiling_decodes_by_tiles_with_gradient(folder):
    model = loaded(folder, memory=Memory(vae_tiling=True))
    model.vae.tile_latent_min_size, model.vae.tile_sample_min_size = 4, 8
    latents = torch.randn(1, *model.latent_shape, requires_grad=True)
    tiled, whole = decode(model.vae, latents), decode(loaded(folder).vae, latents)
    tiled.sum().backward()
    assert tiled.shape == whole.shape and not torch.allclose(tiled, whole) and latents.grad.isfinite().all()


def test_weights_wait_on_the_cpu_and_come_for_each_call():
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).eval().requires_grad_(False)
    inputs = torch.randn(5, 3, requires_grad=True)
    expected = torch.autograd.grad(network(inputs).square().sum(), inputs)[0]
    keep_on_cpu(network, torch.device("cpu"))
    assert all(p.is_meta for p in network.parameters()), "nothing is held on the device"
    found = torch.autograd.grad(network(inputs).square().sum(), inputs)[0]
    assert torch.equal(found, expected) and all(p.is_meta for p in network.parameters())


def test_options_are_written_as_settings_are():
    assert changed_memory(Memory(), ["images_at_once=2", "vae_tiling=true"]) == Memory(2, vae_tiling=True)
    for wrong in ("images=2", "vae_tiling", "images_at_once=-1", "images_at_once=two", "vae_tiling=2"):
        with pytest.raises(ConfigError, match="images_at_once|memory option|vae_tiling"):
            changed_memory(Memory(), [wrong])


SD15, SDXL, MINI = Needs(2.3, 4.3, 1.5, 6.0, 1.3), Needs(7.1, 4.3, 10.3, 23.9, 1.3), Needs(.1, .1, .02, .05, .03)


@pytest.mark.parametrize("free_gb, needs, expected", [
    (78.0, SD15, Memory(16)), (23.0, SD15, Memory(8)), (17.0, SD15, Memory(4)),
    (12.0, SD15, Memory(4, gradient_checkpointing=True)),
    (78.0, SDXL, Memory(4)), (40.0, SDXL, Memory(4, gradient_checkpointing=True)), (8.0, SDXL, CHOICES[-1]),
    (12.0, MINI, Memory())])
def test_memory_follows_what_is_free(free_gb, needs, expected):
    chosen = choose_memory(free_gb, needs)
    assert chosen == expected
    assert needs.finetune(chosen) <= free_gb or chosen == CHOICES[-1]


def test_each_choice_takes_less_than_the_one_before():
    for needs in (SD15, SDXL):
        taken = [needs.finetune(memory) for memory in CHOICES]
        assert taken == sorted(taken, reverse=True)


def test_a_model_is_loaded_as_the_card_allows_and_says_so(folder, monkeypatch):
    """The small model needs a few megabytes: a card with less makes it save, one with plenty does not."""
    def with_free(gigabytes: float, **options) -> Model:
        monkeypatch.setattr(loading, "free_gigabytes", lambda device: gigabytes)
        return loaded(folder, **options)
    assert with_free(80).memory == Memory() and "80 GB free; images at once: as many" in with_free(80).memory_told
    short = with_free(1e-6)
    assert short.memory == CHOICES[-1] and "with gradient checkpointing, critics wait on the CPU" in short.memory_told
    assert short.unet.is_gradient_checkpointing
    assert with_free(80, memory_changes=["images_at_once=2"]).memory == Memory(2)
    on_a_cpu = with_free(0)
    assert (on_a_cpu.memory, on_a_cpu.memory_told) == (Memory(), "")


def test_how_memory_is_used_is_said_in_words():
    assert memory_words(Memory(16), 78.4) == ("GPU memory: 78 GB free; images at once: at most 16; without gradient "
                                              "checkpointing.")


def test_what_is_missing_is_told_in_plain_words():
    assert too_little(10, 0) == ("this model needs 10 GB of GPU memory; this machine has none: use the built-in model.")
    assert "this machine's GPU has 8 GB" in too_little(10, 8.2)
    assert too_little(0, 0) == too_little(10, 10.1) == ""


@pytest.mark.parametrize("gigabytes", [0, 8, 80])
def test_the_registry_tells_what_each_model_needs_here(monkeypatch, gigabytes):
    monkeypatch.setattr(registry, "gpu_gigabytes", lambda: gigabytes)
    for entry in available_models():
        assert bool(entry.unavailable) == (entry.compare_gb > gigabytes)
        assert bool(entry.cannot_finetune) == (entry.finetune_gb > gigabytes)
        assert entry.compare_gb <= entry.finetune_gb and entry.resolution and entry.licence.url


def test_a_gpu_without_room_is_told_with_what_to_do(folder, tmp_path, monkeypatch):
    from fairness_core.training import finetune, step

    def full(*arguments, **named):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(step, "denoise_in_parts", full)
    with pytest.raises(ConfigError, match="needs more GPU memory than is free here: load it with images_at_once=1"):
        list(finetune.finetune(loaded(folder), CONFIG, tmp_path))
