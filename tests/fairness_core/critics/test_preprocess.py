"""The differentiable views against the image processors they stand in for."""

import pytest
import torch
from transformers import (AutoImageProcessor, BitImageProcessor, CLIPImageProcessor, ConvNextImageProcessor,
                          EfficientNetImageProcessor, ViTImageProcessor)

from fairness_core.critics import CriticsError
from fairness_core.critics.preprocess import load_preprocess

ROUNDING = 2.5 / 255  # the processors round to 8 bits before they normalise

PROCESSORS = {
    "clip": CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}),
    "a crop that is not square": CLIPImageProcessor(size={"shortest_edge": 30}, crop_size={"height": 20, "width": 27}),
    "dinov2": BitImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 28, "width": 28}),
    "vit": ViTImageProcessor(size={"height": 24, "width": 30}),
    "resnet": ConvNextImageProcessor(size={"shortest_edge": 28}, crop_pct=0.875),
    "convnext, large": ConvNextImageProcessor(size={"shortest_edge": 384}, crop_pct=0.875),
    "not normalised": ViTImageProcessor(size={"height": 24, "width": 24}, do_normalize=False),
    "enlarged": ViTImageProcessor(size={"height": 100, "width": 90}, image_std=[0.3, 0.5, 0.7]),
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_view_does_what_the_processor_does(tmp_path, images, name):
    PROCESSORS[name].save_pretrained(tmp_path)
    pixels = ((images + 1) * 127.5).round().to(torch.uint8)
    expected = AutoImageProcessor.from_pretrained(tmp_path)(list(pixels), return_tensors="pt").pixel_values
    view = load_preprocess(tmp_path)
    found = view(pixels.float() / 127.5 - 1)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < ROUNDING / min(view.deviation)
    moved = images.clone().requires_grad_()
    view(moved).square().sum().backward()
    assert torch.isfinite(moved.grad).all() and (moved.grad != 0).float().mean() > 0.4


def test_at_its_own_size_a_picture_is_only_normalised(tmp_path):
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(tmp_path)
    view, picture = load_preprocess(tmp_path), torch.rand(1, 3, 16, 16) * 2 - 1
    assert view.shorter_side == 16
    torch.testing.assert_close(view(picture), picture)  # mean and deviation are a half


@pytest.mark.parametrize(("processor", "says"), [
    (ViTImageProcessor(resample=1), "resampling 1"),
    (ViTImageProcessor(do_resize=False), "cannot do"),
    (ViTImageProcessor(do_rescale=False), "cannot do"),
    (EfficientNetImageProcessor(rescale_factor=1 / 127.5, resample=2), "rescaling by 0.0078"),
    (CLIPImageProcessor(size={"shortest_edge": 20}), "do not fit together"),
    (None, "no image processor"),
])
def test_what_it_cannot_do_is_refused(tmp_path, processor, says):
    if processor is not None:
        processor.save_pretrained(tmp_path)
    with pytest.raises(CriticsError, match=says) as raised:
        load_preprocess(tmp_path)
    assert tmp_path.name in str(raised.value)
