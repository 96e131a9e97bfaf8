"""The operations of an iteration, from made-up costs and from Stable Diffusion 1.5's sizes."""

import pytest

from benchmarks import scaling
from benchmarks.scaling import Case, Costs, engine, published

UNET_ONLY = Costs(1, 1, 0, 0, 0, 0, 0, 0)
DECODER_ONLY = Costs(0, 0, 10, 20, 0, 0, 0, 0)


def test_unet_calls_of_an_iteration():
    """Guidance takes two calls a step; 5 steps, 3 images."""
    case = Case(images=3, steps=5)
    assert published(case, UNET_ONLY) == 3 * 2 * 5 * (4 + 1)
    assert engine(case, UNET_ONLY, 5, originals=True) == 3 * 2 * 5 * (3 + 1)
    assert engine(case, UNET_ONLY, 2, originals=False) == 3 * 2 * (5 + 2 + 2)


def test_decodings_of_an_iteration():
    case = Case(images=2)
    assert published(case, DECODER_ONLY) == 2 * (3 * 10 + 20)
    assert engine(case, DECODER_ONLY, 20, originals=True) == 2 * (3 * 10 + 20)
    assert engine(case, DECODER_ONLY, 6, originals=False) == 2 * (2 * 10 + 20)


def test_the_gpu_with_the_most_images_decides(monkeypatch):
    monkeypatch.setattr(scaling, "utilisation", lambda: 0.5)
    operations = int(scaling.PEAK["H100"])
    assert scaling.seconds(operations, Case(images=24)) == pytest.approx(2)
    assert scaling.seconds(operations, Case(images=24, gpus=5)) == pytest.approx(2 * 5 / 24)


@pytest.mark.slow
def test_the_networks_are_those_of_stable_diffusion():
    millions = [round(sum(p.numel() for p in network().parameters()) / 1e6, 1)
                for network in (scaling.unet, scaling.vae, scaling.text_encoder)]
    assert millions == [859.5, 83.7, 123.1]


@pytest.mark.slow
def test_the_table_is_computed_for_every_case():
    result = scaling.compute()
    assert 0.1 < result["utilisation"] < 0.6
    for case in result["cases"]:
        found = list(case["operations"].values())
        assert found == sorted(found, reverse=True), "published, new originals, all timesteps, as tuned"
    assert "| 24 | 20 | 768 | 1 |" in scaling.as_markdown(result)
