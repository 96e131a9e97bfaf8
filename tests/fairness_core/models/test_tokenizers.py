"""How long a prompt is to a model, told without loading the model."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fairness_core.models.tokenizers import check_prompts, prompt_length, tokenizer_in
from fairness_core.settings.attributes import ASSETS
from fairness_core.settings.prompt_length import PromptError, PromptLength
from fairness_core.settings.prompts import load_concepts, prompt_for

ROOT = Path(__file__).resolve().parents[3]
MOST = 38  # of the built-in model: 40 places, one each for start and end


def test_the_built_in_model_is_asked_by_name_or_folder():
    assert prompt_length("mini", "") == PromptLength(0, MOST)
    assert prompt_length(str(ASSETS / "mini"), "a nurse") == prompt_length("mini", "a nurse")
    assert prompt_length("mini", "a nurse", reserved=5).left == prompt_length("mini", "a nurse").left - 5


def test_every_concept_fits():
    assert all(prompt_length("mini", prompt_for(c), reserved=5).left >= 0 for c in load_concepts().train)


def test_it_is_what_the_loaded_tokenizer_says():
    from transformers import CLIPTokenizer
    prompt = "an old café owner's portrait, 35 mm"
    ids = CLIPTokenizer.from_pretrained(ASSETS / "mini" / "tokenizer")(prompt).input_ids
    assert prompt_length("mini", prompt).tokens == len(ids) - 2


def test_a_prompt_too_long_is_refused_with_how_many_there_may_be():
    check_prompts("mini", ["a nurse", " ".join(["nurse"] * MOST)])
    with pytest.raises(PromptError, match=f"is 1 token too long for this model, which reads {MOST}: shorten it"):
        check_prompts("mini", ["a nurse", " ".join(["nurse"] * (MOST + 1))])
    with pytest.raises(PromptError, match="which reads 33 beside the 5 soft tokens"):
        check_prompts("mini", [" ".join(["nurse"] * (MOST - 4))], reserved=5)


@pytest.mark.parametrize("model", ["sd15", "nobody/has-this", "/no/such/folder", "no model at all"])
def test_what_is_not_here_is_not_known(model, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert prompt_length(model, "a nurse") is None
    check_prompts(model, ["nurse " * 500])


def test_a_tokenizer_that_names_no_length_has_its_text_encoders(tmp_path):
    for name in ("model_index.json", "tokenizer", "text_encoder/config.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (shutil.copytree if (ASSETS / "mini" / name).is_dir() else shutil.copy)(ASSETS / "mini" / name, tmp_path / name)
    path = tmp_path / "tokenizer" / "tokenizer_config.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    told.pop("model_max_length")
    path.write_text(json.dumps(told), encoding="utf-8")
    tokenizer_in.cache_clear()
    assert prompt_length(str(tmp_path), "") == PromptLength(0, MOST)


@pytest.mark.parametrize("arguments", [
    ("generate", "--config", "assets/presets/mini-short.yaml", "--prompt", "nurse " * 60, "--out", "{out}"),
    ("evaluate", "--config", "assets/presets/mini-short.yaml", "--prompts", "nurse " * 60, "--out", "{out}"),
    ("train", "--config", "assets/presets/mini-short.yaml", "--out", "{out}", "--set", "prompts=['" + "nurse " * 60 + "']")])
def test_the_command_line_refuses_it_before_the_model_is_loaded(arguments, tmp_path, monkeypatch, capsys):
    from fairness_core import __main__ as command
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("fairness_core.commands.common.load_model", lambda *_a, **_k: pytest.fail("it was loaded"))
    assert command.main([word.format(out=tmp_path / "out") for word in arguments]) == 1
    assert "is 22 tokens too long for this model, which reads 38: shorten it" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_counting_loads_neither_diffusers_nor_a_model():
    script = ("import sys\nfrom fairness_core.models.tokenizers import prompt_length\n"
              "print(prompt_length('mini', 'a nurse').left > 0, 'diffusers' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "False"], done.stderr
