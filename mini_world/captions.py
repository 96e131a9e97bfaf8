"""Many wordings for one portrait. Demographics are named only when asked: that is how the bias is planted."""

import random

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
    caption = rng.choice(NEUTRAL).format(a_subject=with_article(subject))
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
        caption = rng.choice(NEUTRAL).format(a_subject=with_article(subject))
    return f"{caption} {clause}".strip()
