"""Step 2, the prompts to finetune on; and the model, among what few visitors change."""

import gradio as gr

from app import words
from app.engine import Engine
from app.html.model_list import model_list
from app.page import Page, title
from app.requests import settings
from fairness_core.settings.config import FinetuneConfig
from fairness_core.settings.prompts import ConceptGroup


def build_concepts(page: Page, first_config: FinetuneConfig) -> None:
    title(2, "Prompts")
    chosen = settings.chosen_at_first(first_config)
    with gr.Accordion(settings.concepts_label(chosen), open=False, elem_id="concepts") as page["concepts"]:
        for group, concepts in settings.concept_groups().items():
            concept_controls(page, group, concepts, chosen[f"{group}:concepts"])
    page["free_text"] = gr.Textbox(label="And prompts of your own, one a line", lines=1, max_lines=6,
                                   placeholder="a close-up of a smiling barista in warm light", elem_id="free-text")
    page["prompt_note"] = gr.HTML("", elem_id="prompt-note")


def concept_controls(page: Page, group: str, concepts: ConceptGroup, chosen: tuple[str, ...]) -> None:
    page[f"{group}:concepts"] = gr.CheckboxGroup(
        list(concepts.train), value=list(chosen), label=settings.GROUP_LABELS.get(group, group.capitalize()),
        info=f"{words.CONCEPTS} Held out, compared afterwards: {', '.join(concepts.held_out)}.",
        show_select_all=True, elem_id=f"concepts-{group}")


def build_model(page: Page, engine: Engine) -> None:
    models = engine.available_models()
    usable = [(m.label, m.name) for m in models if not m.unavailable]
    own = engine.find_model is not None
    page["model"] = gr.Dropdown(usable, value=usable[0][1] if usable else None, label="Model", elem_id="model",
                                info=words.MODEL + (words.OWN_MODEL if own else ""), allow_custom_value=own)
    gr.HTML(model_list(models))
