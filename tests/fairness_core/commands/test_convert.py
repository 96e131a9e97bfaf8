"""python -m fairness_core convert: the published halves into one file, ours into kohya's and back, by the built-in model."""

from pathlib import Path

import pytest
import torch
from helpers.foreign_adapters import save_published, save_published_prefix
from safetensors.torch import load_file

from fairness_core.__main__ import main
from fairness_core.adapters.attach import attach_adapter, detach_adapter, load_adapter, save_adapter
from fairness_core.evaluation.compare import paint
from fairness_core.models.loading import load_model
from fairness_core.settings.prompts import prompt_for


def test_soft_tokens_are_told(tmp_path, capsys):
    prefix = save_published_prefix(torch.ones(5, 8), tmp_path)
    assert main(["convert", str(prefix), str(tmp_path / "new" / "tokens.safetensors")]) == 0
    assert capsys.readouterr().out == f"wrote {tmp_path}/new/tokens.safetensors: 5 soft tokens\n"
    assert load_file(tmp_path / "new" / "tokens.safetensors")["<fair>"].shape == (5, 8)


def test_what_cannot_be_converted_is_said_in_one_line(tmp_path, capsys):
    (tmp_path / "broken.pth").write_bytes(b"PK")
    assert main(["convert", str(tmp_path / "broken.pth"), str(tmp_path / "new.safetensors")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: broken.pth is ") and error.count("\n") == 1
    with pytest.raises(SystemExit) as wrong:
        main(["convert", "one.pth"])
    assert wrong.value.code == 2


@pytest.mark.slow
def test_the_built_in_model_paints_the_same_after_every_conversion(tmp_path, capsys):
    model, prompt = load_model("mini", device=torch.device("cpu"), precision=torch.float32), prompt_for("judge")

    def pictures(path: Path | None) -> torch.Tensor:
        detach_adapter(model)
        if path is not None:
            load_adapter(model, path)
        return paint(model, prompt, range(2), seed=3, sampling_steps=4, guidance_scale=2.0)

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in attach_adapter(model, "both", rank=4, alpha=4, targets=("attention", "mlp"), soft_tokens=1, seed=0):
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    own = save_adapter(model, tmp_path / "own")
    expected = pictures(own)
    assert (expected - pictures(None)).abs().mean() > 0.02
    halves, names = save_published(own, tmp_path), ["published", "kohya", "back"]
    published, kohya, back = (str(tmp_path / f"{name}.safetensors") for name in names)
    assert main(["convert", *map(str, halves), published]) == 0
    assert main(["convert", published, kohya, "--format", "kohya"]) == 0
    assert main(["convert", kohya, back]) == 0
    assert capsys.readouterr().out.count("LoRA of rank 4 for the text encoder and LoRA of rank 4 for the unet") == 3
    assert torch.equal(pictures(Path(published)), expected) and torch.equal(pictures(Path(back)), expected)
