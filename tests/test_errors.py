"""One way to say no: what people are told is a UserError, and everything else is a bug with its traceback in a log."""

import ast
import logging
from pathlib import Path

import gradio as gr
import pytest

from app.errors import BUG, readable_errors
from fairness_core.errors import UserError, disk_words, words_for

ROOT = Path(__file__).resolve().parents[1]
FILES = [path for name in ("fairness_core", "app") for path in sorted((ROOT / name).rglob("*.py"))]
NOT_FOR_PEOPLE = {
    "NotLent": "caught where a GPU was asked for: the CPU goes on",
    "Killed": "caught where a GPU was asked for: the next one goes on",
}


def exceptions() -> dict[str, set[str]]:
    """Every exception class of both packages with the names of its bases."""
    found = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name] = {ast.unparse(base).split(".")[-1] for base in node.bases}
    names, known = set(), {"BaseException", "Exception", "ValueError", "TypeError", "OSError", "RuntimeError", "KeyError"}
    while more := {name for name, bases in found.items() if bases & (known | names)} - names:
        names |= more
    return {name: found[name] for name in names}


def test_every_exception_is_a_message_for_people_or_says_why_not():
    bases = exceptions()
    assert len(bases) > 20
    for_people = {"UserError"}
    while more := {name for name, above in bases.items() if above & for_people} - for_people:
        for_people |= more
    assert set(bases) - for_people == set(NOT_FOR_PEOPLE)


def test_people_are_told_what_to_do_and_a_bug_in_one_sentence(caplog):
    with pytest.raises(gr.Error, match="Choose another") as told, readable_errors():
        raise UserError("Choose another.")
    assert not caplog.records
    with pytest.raises(gr.Error) as told, caplog.at_level(logging.ERROR), readable_errors():
        int("not a number")
    assert told.value.message == BUG and "invalid literal" in caplog.text


@pytest.mark.parametrize(("do", "says"), [
    (lambda folder: (folder / "file" / "run").mkdir(parents=True), "file is a file, not a folder: choose another"),
    (lambda folder: (folder / "file").mkdir(), "file is a file, not a folder"),
    (lambda folder: (folder / "file" / "run" / "config.yaml").read_bytes(), "file is a file, not a folder"),
    (lambda folder: folder.read_bytes(), "is a folder, not a file"),
    (lambda folder: (folder / "absent").read_bytes(), "There is no .*absent: check the path"),
    (lambda folder: (folder / ("long" * 100)).mkdir(), "too long"),
])
def test_what_the_disk_refuses_is_said_in_words(do, says, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError) as refused:
        do(tmp_path)
    words = words_for(refused.value)
    assert "Errno" not in words
    with pytest.raises(UserError, match=says):
        raise UserError(words)


@pytest.mark.parametrize(("number", "says"), [(28, "disk is full"), (13, "permissions"), (30, "permissions"), (27, "ulimit"),
                                              (5, "x: Input/output error")])
def test_what_a_test_cannot_bring_about(number, says):
    import os
    assert says in disk_words(OSError(number, os.strerror(number), "x"))
    assert disk_words(OSError("half a file")) == "half a file"
