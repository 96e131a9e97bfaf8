"""A program finetunes towards an attribute of its own, which the app's file does not hold."""

import pytest
from helpers.fakes import tiny_critics, tiny_model

from fairness_core.events import StepDone
from fairness_core.settings.attributes import Attribute, AttributeClass
from fairness_core.settings.config import FinetuneConfig
from fairness_core.settings.ratios import TargetError
from fairness_core.training.finetune import finetune

HEIGHT = Attribute("height", "Height", (AttributeClass("tall", "Tall", "#000000"),
                                        AttributeClass("small", "Small", "#ffffff")))
CONFIG = FinetuneConfig(
    model="tiny", prompts=("a nurse",), marginals={"height": {"tall": 0.5, "small": 0.5}}, lora_rank=2, steps=1,
    images_per_prompt=4, sampling_steps=2, timesteps_per_update=1)


def test_attributes_of_ones_own_are_passed_to_finetune(tmp_path):
    critics = tiny_critics()
    for network in (critics.classifier, critics.evaluator):
        del network.heads_config["gender"]
        network.heads_config["height"], network.heads["height"] = ["tall", "small"], network.heads.pop("gender")
    model = tiny_model(critics)
    [step] = [event for event in finetune(model, CONFIG, tmp_path, attributes={"height": HEIGHT})
              if isinstance(event, StepDone)]
    assert set(step.distance) == {"height"}
    with pytest.raises(TargetError, match="Unknown attribute 'height': choose among gender"):
        list(finetune(model, CONFIG, tmp_path))
