"""Full-size architectures without weights, and the same step on small ones."""

import pytest
import torch
from helpers.small_pipelines import loaded, saved
from helpers.small_transformers import SMALL, loaded_flow, saved_flow

from benchmarks import architectures, real_models
from benchmarks.architectures import ARCHITECTURES, build
from fairness_core.hardware.memory import CHOICES, Memory, choose_memory
from fairness_core.models.loading import entry_for

# as the hub counts the parameters of the published files
PUBLISHED = {"sd15": {"unet": 859_520_964, "text_encoder": 123_060_480},
             "sd21": {"unet": 865_910_724, "text_encoder": 340_387_840},
             "sdxl": {"unet": 2_567_463_684, "text_encoder": 123_060_480, "text_encoder_2": 694_659_840}}


# and of transformers, in billions, with the table of places that SD 3's files hold beside the parameters
BILLIONS = {"sd35-medium": 2.47, "sd35-large": 8.15, "sd35-turbo": 8.15, "flux-dev": 11.90, "flux-schnell": 11.89}


def test_every_architecture_is_compared_with_what_is_published():
    assert set(ARCHITECTURES) == set(PUBLISHED) | set(BILLIONS)


@pytest.mark.parametrize("name", BILLIONS)
def test_the_transformers_are_as_large_as_the_published_ones(name):
    network = build(lambda: architectures.unet(ARCHITECTURES[name]), torch.device("meta"), torch.bfloat16)
    assert sum(v.numel() for v in (*network.parameters(), *network.buffers())) / 1e9 == pytest.approx(BILLIONS[name], abs=0.01)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_architectures_are_the_published_ones(name):
    for part, parameters in PUBLISHED[name].items():
        network = build(lambda: getattr(architectures, part)(ARCHITECTURES[name]), torch.device("meta"), torch.float16)
        assert sum(p.numel() for p in network.parameters()) == parameters
        assert {p.dtype for p in network.parameters()} == {torch.float16}
    decoder = build(lambda: architectures.vae(ARCHITECTURES[name]), torch.device("meta"), torch.float32)
    assert sum(p.numel() for p in decoder.parameters()) == 83_653_863


def test_without_a_gpu_it_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="no GPU: nothing was measured"):
        real_models.main([])


@pytest.mark.parametrize("kind", ["sd15", "sd21", "sdxl", "sd35", "flux-dev"])
def test_a_step_is_measured(kind, tmp_path):
    model = loaded_flow(saved_flow(kind, tmp_path)) if kind in SMALL else loaded(saved(kind, tmp_path))
    figures = real_models.measure(model, images=2, sampling_steps=2)
    assert figures["seconds"] > 0 and figures["peak_gb"] >= 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_registry_says_what_is_computed(name):
    entry, plan = entry_for(name), real_models.plan(ARCHITECTURES[name])
    assert entry.resolution == ARCHITECTURES[name].resolution
    assert entry.compare_gb == pytest.approx(plan.compare, abs=1)
    assert entry.finetune_gb == pytest.approx(plan.finetune(CHOICES[-1]), abs=1)
    assert choose_memory(12.3, plan) == (Memory(4, gradient_checkpointing=True) if name == "sd15" else CHOICES[-1])
    if name in PUBLISHED:
        assert choose_memory(84.0, plan) == {"sd15": Memory(16), "sd21": Memory(16), "sdxl": Memory(4)}[name]
    text = real_models.as_plan({name: plan})
    assert "Not measured" in text and f"{plan.compare:.0f}" in text
