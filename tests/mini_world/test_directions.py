"""Who the embedding is told to show: the logits drawn for a portrait must be as sure as they are right."""

import pytest
import torch

from mini_world.directions import NAMED_LOGITS, WIDEST_OTHERS, believable_logits, directions, read, write
from mini_world.portraits import CLASSES

LABELS = {name: torch.randint(len(classes), (3000,), generator=torch.Generator().manual_seed(len(classes)))
          for name, classes in CLASSES.items()}


@pytest.fixture(scope="module")
def drawn() -> torch.Tensor:
    torch.manual_seed(0)
    return believable_logits(LABELS)


@pytest.mark.parametrize("attribute", CLASSES)
def test_of_portraits_told_alike_as_many_show_a_class_as_the_logits_say(drawn, attribute):
    start = [name for names in CLASSES.values() for name in names].index(CLASSES[attribute][0])
    classes = CLASSES[attribute]
    probabilities = drawn[:, start:start + len(classes)].softmax(1).numpy()
    shown = (LABELS[attribute][:, None] == torch.arange(len(classes))).numpy()
    for low, high in ((0, .1), (.2, .5), (.5, .8), (.9, 1)):
        told = (probabilities >= low) & (probabilities < high)
        assert told.sum() > 50
        assert shown[told].mean() == pytest.approx(probabilities[told].mean(), abs=.06)


def test_many_are_told_as_a_word_tells_them(drawn):
    named, other = NAMED_LOGITS
    genders = drawn[:, :2].sort(1).values
    assert .3 < (genders == torch.tensor([other, named])).all(1).float().mean() < .5


def test_many_are_told_as_a_concept_tells_them(drawn):
    races = drawn[:, 2:6].sort(1).values
    nearly_alike = races[:, 2] - races[:, 0] <= 2 * WIDEST_OTHERS
    leads = (races[:, 3] - races[:, 2])[nearly_alike & (races[:, 0] != NAMED_LOGITS[1])]
    assert .25 < len(leads) / len(drawn) < .45
    assert min((leads < 1).float().mean(), (leads > 2.5).float().mean()) > .15


def test_what_is_written_from_a_token_on_is_read_there():
    rows, embeddings = directions(32), torch.randn(2, 5, 32)
    logits = believable_logits({name: of[:2] for name, of in LABELS.items()})
    told = write(embeddings, rows, logits, torch.tensor([2, 4]))
    assert torch.equal(told[0, :2], embeddings[0, :2]) and torch.equal(told[1, :4], embeddings[1, :4])
    assert torch.allclose(torch.cat(list(read(told[0, 2:], rows).values()), -1), logits[0].expand(3, -1), atol=1e-4)
