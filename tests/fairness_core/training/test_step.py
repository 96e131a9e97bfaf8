"""A step's batch: its gradient is the sum over its prompts, each alone, and its draws are functions of their place."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from helpers.fakes import FACE_BOX, tiny_critics, tiny_model
from helpers.small_pipelines import loaded, saved
from torch import Tensor

from fairness_core.adapters.attach import adapter_strength
from fairness_core.critics.faces import Faces
from fairness_core.hardware.processes import Share
from fairness_core.sampling.conditioning import condition
from fairness_core.sampling.denoise import decode, denoise, draw_noise
from fairness_core.sampling.finite import NotFiniteError
from fairness_core.sampling.gradients import accumulate_gradients, choose_timesteps, every_pair
from fairness_core.settings.config import FinetuneConfig, LossWeights
from fairness_core.training.asking import Group
from fairness_core.training.objective import judge, look_at_originals, tell
from fairness_core.training.start import Run, start
from fairness_core.training.step import FIRST_TRAINING_NUMBER, add_gradients, batch_of_step, keeps_graphs, take_step

CONFIG = FinetuneConfig(
    model="tiny", prompts=("a nurse", "a chef", "a judge"), kept_prompts=("a man",), lora_rank=2, learning_rate=0.01,
    marginals={"gender": {"female": 0.5, "male": 0.5}}, targets_by_prompt={"a chef": {"gender": {"female": 1.0}}},
    steps=4, images_per_prompt=4, prompts_per_step=3, sampling_steps=3, timesteps_per_update=2, guidance_scale=3.0,
    noise_batches=2, losses=LossWeights(confidence=0.3))
HIDDEN = "a judge"  # no image of it shows a face


@dataclass
class ListedDetector:
    """Finds a face where the list says so."""

    shown: list[bool]

    def __call__(self, images: Tensor) -> Faces:
        found = torch.tensor(self.shown)
        assert len(found) == len(images)
        return Faces(found, torch.tensor(FACE_BOX).expand(len(images), 4) * found[:, None])


def started(config: FinetuneConfig, model=None) -> Run:
    """An adapter that is not the identity any more, which two starts share."""
    run = start(model or tiny_model(tiny_critics(ListedDetector([]))), config)
    generator = torch.Generator().manual_seed(1)
    for parameter in run.parameters:
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return run


def gradient_of(run: Run) -> list[Tensor]:
    found = [torch.zeros_like(p) if p.grad is None else p.grad for p in run.parameters]
    for parameter in run.parameters:
        parameter.grad = None
    return found


def together(run: Run) -> list[Tensor]:
    batch = batch_of_step(run)
    run.model.critics.detector.shown = [p != HIDDEN for p, n in zip(batch.prompts, batch.numbers) for _ in n]
    add_gradients(run, batch)
    return gradient_of(run)


def one_by_one(run: Run) -> list[Tensor]:
    """Every prompt alone, as the paper has it; each adds its gradient."""
    for index, prompt in enumerate(batch_of_step(run).prompts):
        add_alone(run, prompt, index)
    return gradient_of(run)


def add_alone(run: Run, prompt: str, index: int) -> None:
    model, config, n = run.model, run.config, run.config.images_per_prompt
    rng = np.random.default_rng([config.seed, run.step, index])
    first = FIRST_TRAINING_NUMBER + int(rng.integers(config.noise_batches)) * n * config.prompts_per_step
    noise = draw_noise(prompt, range(first, first + n), config.seed, model.latent_shape)
    if config.gradient != "naive":
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        chosen, scale = choose_timesteps(config.sampling_steps, config.timesteps_per_update, generator)
    model.critics.detector.shown = [prompt != HIDDEN] * n
    with torch.no_grad(), adapter_strength(model, 0.0):
        original = denoise(model.unet, model.scheduler, noise, condition(model, prompt, 3.0), config.sampling_steps)
        reference = look_at_originals(model.critics, decode(model.vae, original.latents))
    conditioning = condition(model, prompt, 3.0)
    with torch.set_grad_enabled(config.gradient == "naive"):
        trajectory = denoise(model.unet, model.scheduler, noise, conditioning, config.sampling_steps)
    group = Group(run.targets[prompt], n, rng)
    judged = judge(model.critics, model.vae, trajectory.latents, reference, [group], config.losses)
    if judged.asked == [None]:
        return
    if config.gradient == "naive":
        trajectory.latents.backward(judged.latents_gradient)
        return
    accumulate_gradients(model.unet, trajectory, conditioning, judged.latents_gradient, run.step_weights,
                         every_pair(chosen, range(n)), scale, 16, config.unconditional_gradient).backward(conditioning)


def assert_same(found: list[Tensor], expected: list[Tensor]) -> None:
    assert sum(b.norm() for b in expected) > 0
    for a, b in zip(found, expected, strict=True):
        assert (a - b).norm() <= 1e-3 * b.norm() + 1e-7


@pytest.mark.parametrize("options", [
    {}, {"tune": "unet"}, {"tune": "both"}, {"tune": "tokens"}, {"gradient": "naive"},
    {"gradient": "unscaled"}, {"unconditional_gradient": False}, {"guidance_scale": 3.0, "timesteps_per_update": 0}])
def test_the_gradient_is_the_sum_over_the_prompts(options):
    run = started(replace(CONFIG, **options))
    assert_same(together(run), one_by_one(run))


def test_the_gradient_of_sdxl_is_the_sum_over_the_prompts(tmp_path):
    model = loaded(saved("sdxl", tmp_path), critics=tiny_critics(ListedDetector([])))
    run = started(replace(CONFIG, tune="both"), model)
    assert_same(together(run), one_by_one(run))


def test_few_images_at_once_change_nothing(monkeypatch):
    """Neither where the U-Net takes one at a time, nor where the decoder's graph does."""
    run = started(CONFIG)
    expected = together(run)
    monkeypatch.setattr("fairness_core.training.objective.LATENT_PIXELS_WITH_GRAPH", 3 * 8 * 8)
    monkeypatch.setattr("fairness_core.training.objective.LOOKED_AT_ONCE", 5)
    run.model = replace(run.model, memory=replace(run.model.memory, images_at_once=3))
    assert_same(together(run), expected)


@pytest.mark.parametrize("tune", ["text_encoder", "unet", "both", "tokens"])
@pytest.mark.parametrize("timesteps", [0, 2])
def test_graphs_that_stay_give_the_gradient_of_a_second_pass(monkeypatch, tune, timesteps):
    run = started(replace(CONFIG, tune=tune, timesteps_per_update=timesteps))
    gradients, passes = [], []
    run.model.network.register_forward_hook(lambda *_: passes.append(torch.is_grad_enabled()))
    together(run)  # paints the originals
    for limit in (100.0, 0.0):
        passes.clear()
        monkeypatch.setattr("fairness_core.training.step.GRAPHS_GB", limit)
        gradients.append((together(run), len(passes), sum(passes)))
    (kept, passes_of_kept, with_graph), (anew, passes_of_anew, _) = gradients
    assert_same(kept, anew)
    assert 0 < with_graph <= 3 and (timesteps or passes_of_kept == with_graph == 3 < passes_of_anew)


def test_graphs_stay_where_they_are_few_and_nothing_else_forbids(monkeypatch):
    run = started(CONFIG)
    assert keeps_graphs(run, 8) and not keeps_graphs(run, 10**9)
    few = replace(run.model, memory=replace(run.model.memory, images_at_once=1))
    assert not keeps_graphs(replace(run, model=few), 8)
    assert not keeps_graphs(replace(run, config=replace(CONFIG, unconditional_gradient=False)), 8)


def test_the_text_encoder_reads_once_a_step_and_goes_back_once():
    run, passes = started(CONFIG), {"forward": 0, "backward": 0}
    together(run)  # paints the originals

    def count(way: str) -> None:
        passes[way] += 1

    def forward(_encoder, _prompts, output) -> None:
        count("forward")
        output[0].register_hook(lambda _gradient: count("backward"))

    run.model.text_encoder.register_forward_hook(forward)
    together(run)
    assert passes == {"forward": 1, "backward": 1}


def test_new_originals_are_painted_together_and_kept(monkeypatch):
    run, seen = started(CONFIG), []
    monkeypatch.setattr("fairness_core.training.step.look_at_originals",
                        lambda critics, images: seen.append(len(images)) or look_at_originals(critics, images))
    together(run), together(run)
    assert seen == [16] and {prompt for prompt, _ in run.originals} == {*CONFIG.prompts, "a man"}


def test_a_prompt_without_a_face_adds_nothing_and_the_others_do():
    run = started(CONFIG)
    batch = batch_of_step(run)
    run.model.critics.detector.shown = [p != HIDDEN for p, n in zip(batch.prompts, batch.numbers) for _ in n]
    judgement = add_gradients(run, batch)
    told = dict(zip(batch.prompts, tell(judgement, batch.groups, Share())))
    assert [prompt for prompt, one in told.items() if one is None] == [HIDDEN]
    run.model.critics.detector.shown = [prompt == "a man" for prompt, n in zip(batch.prompts, batch.numbers) for _ in n]
    assert take_step(run).skipped == "no face was found in any image", "the kept prompt alone moves nothing"


def test_pictures_that_are_not_finite_are_told_with_what_to_do():
    run = started(CONFIG)
    together(run)
    with torch.no_grad():
        run.model.vae.decoder.conv_out.bias.fill_(float("nan"))
    with pytest.raises(NotFiniteError, match="16 of this step's 16 pictures are not finite.*Lower learning_rate"):
        together(run)


def test_where_several_processes_images_come_to_lie():
    """Two prompts of 5 and 3 images: 2 and 1 with the first process, 3 and 2 with the second."""
    assert [places.tolist() for places in Share(0, 2).places([5, 3])] == [[0, 1, 3, 4, 5], [2, 6, 7]]
    assert [places.tolist() for places in Share().places([2, 1])] == [[0, 1], [2]]
