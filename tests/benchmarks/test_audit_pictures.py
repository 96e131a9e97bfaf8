"""The measurement of an audit, with a few pictures."""

import io

import pytest
from PIL import Image

from benchmarks.audit_pictures import measure, pictures


def test_the_pictures_are_alike_in_size_and_different():
    made = list(pictures(12, 96))
    assert len({data for _, data in made}) == 12 and len({name for name, _ in made}) == 12
    assert {Image.open(io.BytesIO(data)).size for _, data in made} == {(96, 96)}


@pytest.mark.slow
def test_it_tells_how_it_goes_and_finds_the_faces(capsys):
    seconds, judged = measure(20, 256, "built-in", "largest")
    assert seconds > 0 and judged.pictures == 20 and judged.faces_found >= 14
    assert "0 of 20 pictures" in capsys.readouterr().out
