import pytest

from fairness_core.settings.prompts import (ConceptsError, concept_of, is_held_out, load_concepts, parse_prompts,
                                            prompt_for, with_article)


def test_the_shipped_concepts_are_disjoint_and_grouped():
    concepts = load_concepts()
    assert set(concepts.groups) == {"occupations", "sports", "descriptors"}
    assert len(concepts.train) + len(concepts.held_out) == len({*concepts.train, *concepts.held_out})
    assert "nurse" in concepts.held_out and "doctor" in concepts.groups["occupations"].train


@pytest.mark.parametrize("phrase, expected", [
    ("nurse", "a nurse"), ("artist", "an artist"), ("electrician", "an electrician"), ("umpire", "an umpire"),
    ("university lecturer", "a university lecturer"), ("honest person", "an honest person"),
    ("unimpressed person", "an unimpressed person"), ("European", "a European"), ("one-eyed pirate", "a one-eyed pirate"),
    ("housekeeper", "a housekeeper"), ("intelligent person", "an intelligent person")])
def test_articles_go_by_sound(phrase, expected):
    assert with_article(phrase) == expected


def test_prompts_follow_the_template():
    assert prompt_for("artist") == "a photo of the face of an artist, a person"


def test_every_concept_is_found_in_its_own_prompt():
    concepts = load_concepts()
    for concept in concepts.train + concepts.held_out:
        assert concept_of(prompt_for(concept)) == concept
        assert is_held_out(prompt_for(concept)) == (concept in concepts.held_out)


def test_concepts_in_free_text():
    assert concept_of("A portrait of a Nurse at work") == "nurse"
    assert concept_of("a nursery") is None and concept_of("a tree") is None
    assert not is_held_out("a tree")


def test_held_out_of_a_run_goes_by_what_the_run_saw():
    seen = [prompt_for("nurse"), "a tree"]
    assert not is_held_out("a smiling nurse", seen) and not is_held_out("a tree", seen)
    assert is_held_out(prompt_for("doctor"), seen) and is_held_out("a house", seen)


def test_free_text_is_one_prompt_a_line():
    assert parse_prompts("  a nurse \n\n a  judge\r\na nurse\n   \n") == ["a nurse", "a judge"]
    assert parse_prompts(" \n") == []


@pytest.mark.parametrize("text, message", [
    ("template: '{a_concept}'\ngroups: {x: {train: [a, b], held_out: [a]}}", "lists 'a' twice"),
    ("template: hello\ngroups: {x: {train: [a], held_out: []}}", "must hold {a_concept}")])
def test_bad_concept_files_are_refused(tmp_path, text, message):
    path = tmp_path / "concepts.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConceptsError, match=message):
        load_concepts(path)
