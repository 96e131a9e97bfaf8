"""Prompts in context: whole prompts, none of which says the name of a held-out concept to be trained on."""

import pytest
import yaml
from helpers.fake_engine import PLANTED, image_set

from fairness_core.commands.common import chosen_prompts
from fairness_core.models.registry import available_models, languages_of
from fairness_core.report.table import prompt_groups
from fairness_core.results import PromptComparison
from fairness_core.settings.attributes import ASSETS
from fairness_core.settings.config import FinetuneConfig
from fairness_core.settings.context import (CONTEXT_FILE, context_groups, context_languages, context_prompts,
                                            evaluation_group, is_context)
from fairness_core.settings.presets import load_preset
from fairness_core.settings.prompts import (ConceptsError, concept_of, is_held_out, load_concepts, prompt_for,
                                            prompts_of_groups)


def test_there_are_roles_in_words_other_wordings_and_two_other_languages():
    assert context_languages() == ("en", "fr", "es")
    assert set(context_groups()) == {"said in words", "other wordings"} and len(context_prompts()) >= 20
    assert len(context_prompts(["fr"])) >= 5 and len(context_prompts(["es"])) >= 5
    assert "a photo of the face of a person who fixes cars" in context_prompts()


def test_what_presets_may_train_on_says_no_known_concept_and_is_not_what_is_held_out():
    train = [p for group in context_groups(context_languages()).values() for p in group.train]
    held_out = [p for group in context_groups(context_languages()).values() for p in group.held_out]
    assert train and not set(train) & set(held_out) and all(is_context(p) for p in (*train, *held_out))
    assert [p for p in train if concept_of(p)] == []
    assert not [p for p in held_out if concept_of(p) in load_concepts().train]
    begins = {word[:5] for c in load_concepts().held_out for word in c.split()} - {"perso"}
    assert not [p for p in train if begins & {word.strip(",")[:5] for word in p.split()}]


def test_a_preset_may_widen_to_them(tmp_path):
    path = tmp_path / "wide.yaml"
    path.write_text(yaml.safe_dump({"label": "Wide", "description": "x", "measured_seconds_per_step": 1, "config": {
        "marginals": {"gender": {"female": .5, "male": .5}}}, "concepts": [
            {"file": "concepts.yaml", "groups": ["sports"]}, {"file": "context.yaml", "groups": ["said in words"]}]}), encoding="utf-8")
    config = load_preset(path).config
    assert config.prompts[-1] in context_groups()["said in words"].train and prompt_for("boxer") in config.prompts
    assert not any(is_held_out(p) for p in config.prompts)
    left = context_prompts(["en"], config.prompts)
    assert not set(left) & set(config.prompts) and all(is_held_out(p, config.prompts) for p in left)
    with pytest.raises(ConceptsError, match="no group 'birds'"):
        prompts_of_groups("context.yaml", ["birds"])


def compared(prompt: str, held_out: bool) -> PromptComparison:
    images = image_set(prompt, range(2), 0, PLANTED)
    return PromptComparison(prompt, held_out, images, images, *[images.found.astype(float)] * 4)


def test_they_are_a_group_of_the_table_beside_held_out_concepts():
    words = context_prompts()[0]
    assert [evaluation_group(words, True), evaluation_group(words, False), evaluation_group(prompt_for("nurse"), True)] == [
        "in context", "trained on", "not trained on"]
    three = [compared(prompt_for("chef"), False), compared(prompt_for("nurse"), True), compared(words, True)]
    assert {name: len(members) for name, members in prompt_groups(three).items()} == {
        "all": 3, "trained on": 1, "not trained on": 1, "in context": 1}
    assert list(prompt_groups(three[2:])) == ["all"] and prompt_groups([]) == {}


def test_a_model_is_asked_in_the_languages_that_it_reads(monkeypatch):
    config = FinetuneConfig(prompts=(context_prompts()[0],))
    assert chosen_prompts(["context"], config) == list(context_prompts()[1:])
    assert chosen_prompts(["context-fr", "held-out"], config)[:2] == list(context_prompts(["fr"])[:2])
    assert {languages_of(row.name) for row in available_models()} == {("en",)} and languages_of("/a/folder") == ("en",)
    monkeypatch.setattr("fairness_core.commands.common.languages_of", lambda model: ("en", "es"))
    assert set(context_prompts(["es"])) <= set(chosen_prompts(["context"], config))


def test_the_file_is_among_those_that_are_offered():
    assert CONTEXT_FILE.parent == ASSETS / "prompts"
