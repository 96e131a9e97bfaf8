import subprocess
import sys

import numpy as np
import pytest
import torch
from diffusers import (DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler,
                       UniPCMultistepScheduler)
from diffusers.image_processor import VaeImageProcessor
from helpers.fakes import LATENT_SHAPE, TOKENS, tiny_pipeline, tiny_scheduler

from fairness_core.sampling.denoise import (Conditioning, PosteriorMeanScheduler, PromptError, decode, denoise,
                                            draw_noise, encode_prompts, guided_prediction, to_uint8)

SCHEDULERS = {
    "built-in": tiny_scheduler(),
    "first order": tiny_scheduler(solver_order=1),
    "ddim": tiny_scheduler(DDIMScheduler, clip_sample=False),
    "ddim leading": tiny_scheduler(DDIMScheduler, clip_sample=False, timestep_spacing="leading"),
    "euler": tiny_scheduler(EulerDiscreteScheduler),
    "unipc": tiny_scheduler(UniPCMultistepScheduler),
    "ddpm mean": tiny_scheduler(PosteriorMeanScheduler, clip_sample=False),
}


def test_noise_depends_on_seed_prompt_and_number_only():
    together = draw_noise("a nurse", [4, 5, 6], 1, LATENT_SHAPE)
    assert torch.equal(together[1:2], draw_noise("a nurse", [5], 1, LATENT_SHAPE))
    for other in (draw_noise("a nurse", [5], 2, LATENT_SHAPE), draw_noise("a judge", [5], 1, LATENT_SHAPE),
                  draw_noise("a nurse", [7], 1, LATENT_SHAPE)):
        assert not torch.allclose(together[1:2], other)
    assert together.dtype == torch.float32 and together.shape == (3, *LATENT_SHAPE)


def test_noise_is_standard_normal():
    values = draw_noise("a nurse", range(64), 0, LATENT_SHAPE)
    assert abs(values.mean()) < 0.03 and abs(values.std() - 1) < 0.03


@pytest.mark.slow
def test_noise_is_the_same_in_another_process():
    code = "from fairness_core.sampling.denoise import draw_noise; print(draw_noise('a nurse', [3], 7, (1, 1, 2)).tolist())"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert printed == str(draw_noise("a nurse", [3], 7, (1, 1, 2)).tolist())


def test_embeddings_are_those_of_the_stock_pipeline(pipeline):
    ours = encode_prompts(pipeline.tokenizer, pipeline.text_encoder, ["a nurse", ""])
    conditional, unconditional = pipeline.encode_prompt("a nurse", "cpu", 1, True)
    assert torch.equal(ours, torch.cat([conditional, unconditional]))
    assert ours.shape[1] == TOKENS and ours.requires_grad


def test_a_prompt_that_would_lose_its_end_is_refused(pipeline):
    with pytest.raises(PromptError, match=f"is {30 - (TOKENS - 2)} tokens too long for this model, which reads {TOKENS - 2}: shorten it"):
        encode_prompts(pipeline.tokenizer, pipeline.text_encoder, ["ab " * 15])
    encode_prompts(pipeline.tokenizer, pipeline.text_encoder, ["a" * (TOKENS - 2)])


def test_a_blank_prompt_is_refused_where_asked(pipeline):
    with pytest.raises(PromptError, match="empty"):
        encode_prompts(pipeline.tokenizer, pipeline.text_encoder, ["a nurse", "  "], allow_empty=False)


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("guidance", [1.0, 7.5])
def test_denoise_equals_the_stock_pipeline(name, guidance, noise, conditioning):
    stock = tiny_pipeline(scheduler=SCHEDULERS[name])
    expected = stock(["a nurse"] * len(noise), latents=noise, guidance_scale=guidance, num_inference_steps=5,
                     output_type="latent").images
    with torch.no_grad():
        guided = Conditioning(conditioning.conditional, conditioning.unconditional, guidance)
        trajectory = denoise(stock.unet, SCHEDULERS[name], noise, guided, 5)
    torch.testing.assert_close(trajectory.latents, expected, rtol=1e-5, atol=1e-5)
    assert trajectory.model_inputs.shape == (5, *noise.shape)


def test_denoise_leaves_no_state_in_the_scheduler(pipeline, noise, conditioning):
    scheduler = tiny_scheduler(DPMSolverMultistepScheduler)
    with torch.no_grad():
        first, second = (denoise(pipeline.unet, scheduler, noise, conditioning, 3).latents for _ in range(2))
    assert torch.equal(first, second) and scheduler.num_inference_steps is None


def test_a_scheduler_that_adds_noise_draws_it_from_the_generator(pipeline, noise, conditioning):
    def sample(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return denoise(pipeline.unet, tiny_scheduler(DDPMScheduler), noise, conditioning, 3, generator=generator).latents
    with torch.no_grad():
        assert torch.equal(sample(1), sample(1)) and not torch.allclose(sample(1), sample(2))


def test_detached_inputs_change_the_gradient_and_not_the_images(pipeline, noise, conditioning):
    def run(detach: bool) -> tuple[torch.Tensor, torch.Tensor]:
        embeddings = conditioning.conditional.clone().requires_grad_()
        guided = Conditioning(embeddings, conditioning.unconditional, conditioning.guidance_scale)
        latents = denoise(pipeline.unet, pipeline.scheduler, noise, guided, 3, detach_inputs=detach).latents
        return latents.detach(), torch.autograd.grad(latents.square().sum(), embeddings)[0]
    (kept_images, kept), (detached_images, detached) = run(False), run(True)
    assert torch.equal(kept_images, detached_images) and not torch.allclose(kept, detached, rtol=1e-3)


def test_timesteps_may_differ_between_images(pipeline, noise, conditioning):
    timesteps = torch.tensor([900, 500, 20])
    together = guided_prediction(pipeline.unet, noise, timesteps, conditioning)
    alone = [guided_prediction(pipeline.unet, noise[i:i + 1], timesteps[i], conditioning) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_sampling_works_under_autocast(pipeline, noise, conditioning):
    with torch.no_grad():
        exact = denoise(pipeline.unet, pipeline.scheduler, noise, conditioning, 4).latents
        with torch.autocast("cpu", torch.bfloat16):
            rounded = denoise(pipeline.unet, pipeline.scheduler, noise, conditioning, 4)
    assert rounded.latents.dtype == rounded.model_inputs.dtype == torch.float32
    assert 0 < (rounded.latents - exact).abs().max() < 0.05 * exact.abs().max()


def test_guidance_below_one_and_wrong_batches_are_refused(pipeline, noise, conditioning):
    with pytest.raises(ValueError, match="use 1"):
        Conditioning(conditioning.conditional, conditioning.unconditional, 0.5)
    two = Conditioning(conditioning.conditional.repeat(2, 1, 1), conditioning.unconditional, 3.0)
    with pytest.raises(ValueError, match="2 prompt embeddings for 3 images"):
        guided_prediction(pipeline.unet, noise, torch.tensor(5), two)


def test_images_are_those_of_the_stock_pipeline(pipeline, noise):
    with torch.no_grad():
        images = decode(pipeline.vae, noise)
        expected = pipeline.vae.decode(noise / pipeline.vae.config.scaling_factor).sample
    torch.testing.assert_close(images, expected)
    expected_pixels = np.stack([np.array(p) for p in VaeImageProcessor().postprocess(expected * 3, output_type="pil")])
    np.testing.assert_array_equal(to_uint8(images * 3), expected_pixels)


def test_decode_adds_the_shift_of_the_vae(pipeline, noise):
    with torch.no_grad():
        pipeline.vae.register_to_config(shift_factor=0.5)
        shifted = decode(pipeline.vae, noise)
        expected = pipeline.vae.decode(noise / pipeline.vae.config.scaling_factor + 0.5).sample
    torch.testing.assert_close(shifted, expected)
