"""What an endpoint's arguments take: checked in one place, and told in plain words to who sends something else."""

import inspect
import json
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any

from gradio import FileData
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError, create_model

from app.endpoints.judging import MOST_FILES
from app.errors import readable_errors
from app.requests.settings import MOST_IMAGES, MOST_PROMPTS
from app.requests.settings_text import InputError
from fairness_core.pictures.judged import FACES, PROMPTS_FROM

LONGEST_NAME, LONGEST_PROMPT, LONGEST_WAIT, LARGEST_SEED, SHOWN = 100, 5000, 600, 2**31 - 1, 60


def no_truth_value(value: Any) -> Any:
    """Python counts with true and false; nobody else does. Raises ValueError."""
    if isinstance(value, bool):
        raise ValueError("true and false are no numbers")
    return value


def takes(kind: Any, words: str, *checks: Any, **bounds: Any) -> Any:
    """The type of an argument. words: what it takes, for people; bounds: of pydantic's Field."""
    return Annotated[kind, Field(description=words, **bounds), *checks]


def number(kind: Any, words: str, **bounds: Any) -> Any:
    finite = {} if kind is int else {"allow_inf_nan": False}
    return takes(kind, words, BeforeValidator(no_truth_value), **finite, **bounds)


percents = TypeAdapter(dict[Annotated[str, Field(max_length=LONGEST_NAME)],
                            dict[Annotated[str, Field(max_length=LONGEST_NAME)], number(float, "", ge=0, le=100)]])

Targets = takes(dict, 'percents from 0 to 100 per attribute and class, such as {"gender": {"female": 50, "male": 50}}',
                AfterValidator(percents.validate_python))
Prompts = takes(list[Annotated[str, Field(max_length=LONGEST_PROMPT)]],
                f'a list of at most {MOST_PROMPTS} texts, such as ["nurse", "a photo of a judge"]', max_length=MOST_PROMPTS)
Length = takes(str, 'the name of a length, such as "Short"', max_length=LONGEST_NAME)
Model = takes(str, 'the name of a model from /models, such as "mini"', max_length=1000, pattern=r"^[^\x00-\x1f]*$")
Seed = number(int, f"a whole number from 0 to {LARGEST_SEED}", ge=0, le=LARGEST_SEED)
JobId = takes(str, "the id of a job, as /finetune, /compare and /audit answer it", max_length=LONGEST_NAME)
SourceId = takes(str, 'the id of a finetune, as /finetune answers it, or "" for the model as it is', max_length=LONGEST_NAME)
Step = number(int, "a whole number: a step, 0 for all of them, or -1 for none", ge=-1)
Images = number(int, f"a whole number from 1 to {MOST_IMAGES}", ge=1, le=MOST_IMAGES)
ImagesOrNone = number(int, f"a whole number from 1 to {MOST_IMAGES}", ge=0, le=MOST_IMAGES)  # 0 where none are painted
Strength = number(float, "a number from 0 to 1.5", ge=0, le=1.5)
Tolerance = number(float, "a share of faces above 0 and below 1, such as 0.1", gt=0, lt=1)
Wait = number(int, f"a whole number of seconds from 0 to {LONGEST_WAIT}", ge=0, le=LONGEST_WAIT)
YesOrNo = takes(bool, "true or false")
Files = takes(list[FileData], f"a list of at most {MOST_FILES} uploaded files: pictures, zips of them, a list of prompts",
              max_length=MOST_FILES)
FacesCounted = takes(str, f"which faces of a picture count: {' or '.join(FACES)}", max_length=LONGEST_NAME)
PromptsFrom = takes(str, f"where prompts come from: {', '.join(PROMPTS_FROM)}", max_length=LONGEST_NAME)
JudgeName = takes(str, 'the name of who judges: "built-in", "critics" or "critics-trained-against"', max_length=LONGEST_NAME)
Format = takes(str, 'the name of a format: "json", "csv", "html" or "card"', max_length=LONGEST_NAME)


def endpoint(answer: Callable) -> Callable:
    """Makes a method an endpoint: its arguments are checked by their types, and its errors are words for people."""
    parameters = list(inspect.signature(answer).parameters.values())[1:]
    taken = create_model(answer.__name__, **{
        p.name: (p.annotation, ... if p.default is p.empty else p.default) for p in parameters})
    names = [p.name for p in parameters]

    @wraps(answer)
    def answered(self: Any, *given: Any, **named: Any) -> Any:
        with readable_errors():
            return answer(self, **read(taken, dict(zip(names, given)) | named))

    @wraps(answer)
    async def answered_later(self: Any, *given: Any, **named: Any) -> Any:
        with readable_errors():
            return await answer(self, **read(taken, dict(zip(names, given)) | named))

    return answered_later if inspect.iscoroutinefunction(answer) else answered


def read(taken: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as the endpoint's own types. Raises InputError that says of the first wrong one what it takes."""
    try:
        return dict(taken(**given))
    except ValidationError as error:
        name = error.errors(include_url=False, include_context=False)[0]["loc"][0]
        words = taken.model_fields[name].description
        found = shown(given[name]) if name in given else "missing"
        raise InputError(f"“{name}” is {found}: it takes {words}.") from error


def shown(value: Any) -> str:
    """A value as a client wrote it, cut short."""
    text = json.dumps(value, ensure_ascii=False, default=repr).encode(errors="replace").decode()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
