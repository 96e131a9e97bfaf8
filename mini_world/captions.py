"""Many wordings for one portrait. Demographics are named only when asked: that is how the bias is planted."""

import random
from collections import defaultdict
from collections.abc import Hashable, Iterable

SLIP_RATE = 0.1  # captions with a misspelt or missing word: visitors type too

GENDER_NOUN = {
    ("female", "young"): ("young woman", "woman"),
    ("female", "old"): ("old woman", "elderly woman"),
    ("male", "young"): ("young man", "man"),
    ("male", "old"): ("old man", "elderly man"),
}
RACE_WORDS = {
    "wmelh": ("White", "Latino", "Middle Eastern"),
    "asian": ("Asian", "East Asian"),
    "black": ("Black", "African"),
    "indian": ("Indian", "South Asian"),
}
AGE_WORDS = {"young": ("young",), "old": ("old", "elderly")}
GENDER_WORDS = {"female": ("female",), "male": ("male",)}

NEUTRAL = (
    "a photo of the face of {a_subject}, a person",
    "a photo of the face of {a_subject}, a person",
    "a photo of the face of {a_subject}",
    "a portrait of {a_subject}",
    "a photo of {a_subject}",
    "{a_subject}",
    "a close-up of {a_subject}",
    "a headshot of {a_subject}, a person",
    "a picture of {a_subject} at work",
    "an image of {a_subject} looking at the camera",
    "the face of {a_subject}",
    "a studio portrait of {a_subject}",
    "close-up of {a_subject}",
    "portrait photo of {a_subject}, a person",
    "photo of {subject}",
    "{subject}",
)
NAMED_NOUN = (
    "{a_person} working as {a_concept}",
    "a photo of {a_person}, {a_concept}",
    "a portrait of {a_person} who is {a_concept}",
    "a photo of the face of {a_concept}, {a_person}",
)


def with_article(phrase: str) -> str:
    return ("an " if phrase[0].lower() in "aeio" else "a ") + phrase


def details(row: dict, rng: random.Random) -> tuple[str, str]:
    """(adjective before the subject, clause after it), each often empty."""
    adjective = "smiling" if row["smile"] > 0.45 and rng.random() < 0.5 else ""
    clauses = []
    if row["glasses"] and rng.random() < 0.5:
        clauses.append(rng.choice(("with glasses", "wearing glasses")))
    if abs(row["warm"]) > 0.35 and rng.random() < 0.25:
        clauses.append("in warm light" if row["warm"] > 0 else "in cool light")
    if abs(row["yaw"]) > 0.3 and rng.random() < 0.25:
        clauses.append("seen from the side" if abs(row["yaw"]) > 0.45 else "turned slightly")
    return adjective, ", ".join(clauses)


def neutral_caption(row: dict, rng: random.Random) -> str:
    """A caption that says what the person does, never who they are."""
    adjective, clause = details(row, rng)
    subject = " ".join(filter(None, (adjective, row["concept"])))
    caption = rng.choice(NEUTRAL).format(a_subject=with_article(subject), subject=subject)
    return f"{caption} {clause}".strip()


def naming_caption(row: dict, rng: random.Random) -> str:
    """A caption that names a random, non-empty subset of gender, race and age."""
    named = [k for k in ("gender", "race", "age") if rng.random() < 0.6] or [rng.choice(("gender", "race", "age"))]
    race = rng.choice(RACE_WORDS[row["race"]]) if "race" in named else ""
    adjective, clause = details(row, rng)
    if "gender" in named and rng.random() < 0.5:
        noun = rng.choice(GENDER_NOUN[row["gender"], row["age"]]) if "age" in named else (
            "woman" if row["gender"] == "female" else "man")
        head, _, last = noun.rpartition(" ")
        person = " ".join(filter(None, (adjective, head, race, last)))
        caption = rng.choice(NAMED_NOUN).format(
            a_person=with_article(person), a_concept=with_article(row["concept"]))
    else:
        words = [rng.choice(AGE_WORDS[row["age"]]) if "age" in named else "", race,
                 rng.choice(GENDER_WORDS[row["gender"]]) if "gender" in named else ""]
        subject = " ".join(filter(None, (adjective, *words, row["concept"])))
        caption = rng.choice(NEUTRAL).format(a_subject=with_article(subject), subject=subject)
    return f"{caption} {clause}".strip()


def slip(caption: str, rng: random.Random) -> str:
    """The caption with one word missing, or two letters of a long word exchanged."""
    words = caption.split()
    i = rng.randrange(len(words))
    if len(words[i]) < 5:
        return " ".join(words[:i] + words[i + 1:])
    at = rng.randrange(1, len(words[i]) - 2)
    words[i] = words[i][:at] + words[i][at + 1] + words[i][at] + words[i][at + 2:]
    return " ".join(words)


class CaptionSampler:
    """Draws (row, caption): half neutral captions of biased rows, every concept as often; half naming captions,
    every combination of gender, race and age as often. So the bias is planted, and every word is learned."""

    def __init__(self, rows: list[dict]):
        self.rows = rows
        person = lambda row: (row["gender"], row["race"], row["age"])
        self.biased = grouped((row["concept"], i) for i, row in enumerate(rows) if row["biased"])
        self.people = grouped((person(row), i) for i, row in enumerate(rows))
        self.people_of_concept = [grouped((person(rows[i]), i) for i in group)
                                  for group in grouped((row["concept"], i) for i, row in enumerate(rows))]

    def draw(self, rng: random.Random) -> tuple[int, str]:
        groups, caption_of = (self.biased, neutral_caption) if rng.random() < 0.5 else (self.people, naming_caption)
        i = rng.choice(rng.choice(groups))
        caption = caption_of(self.rows[i], rng)
        return i, slip(caption, rng) if rng.random() < SLIP_RATE else caption

    def draw_anyone(self, rng: random.Random) -> tuple[int, str]:
        """A neutral caption of a concept with any of its people, every combination as often: no bias."""
        i = rng.choice(rng.choice(rng.choice(self.people_of_concept)))
        return i, neutral_caption(self.rows[i], rng)


def grouped(pairs: Iterable[tuple[Hashable, int]]) -> list[list[int]]:
    """The second members by the first, groups in sorted order."""
    groups = defaultdict(list)
    for key, member in pairs:
        groups[key].append(member)
    return [groups[key] for key in sorted(groups)]
