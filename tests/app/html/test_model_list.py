"""What is said of models and their licences."""

from dataclasses import replace

from app.html.model_list import model_list
from fairness_core.models.files import Licence
from fairness_core.models.registry import available_models


def test_every_model_tells_its_licence_before_a_download():
    entries = available_models()
    text = model_list(entries)
    for entry in entries:
        assert entry.label in text and entry.licence.name in text and entry.licence.url in text
        assert entry.licence.terms and entry.licence.url.startswith("https://")
        assert not entry.download_gb or f"{entry.download_gb:g} GB" in text


def test_what_is_missing_and_what_is_here():
    mini = available_models()[0]
    assert "Comes with the app." in model_list([mini])
    far = replace(mini, download_gb=2.1, needs_download=True, unavailable="this model needs 4 GB: use another",
                  licence=Licence())
    text = model_list([far])
    assert "2.1 GB, to be downloaded first (<code>python -m fairness_core models --download mini</code>)." in text
    assert "<strong>Not here:</strong> this model needs 4 GB" in text
    assert "Licence: unknown" in text and "downloaded already" in model_list([replace(far, needs_download=False)])


def test_words_of_a_model_are_no_markup():
    odd = replace(available_models()[0], note="<script>{x}</script>")
    assert "<script>" not in model_list([odd]) and "{x}" not in model_list([odd])
