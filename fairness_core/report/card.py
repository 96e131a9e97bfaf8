"""The README of an adapter's repository. Its words are templates/model_card.md."""

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from fairness_core.about import About
from fairness_core.adapters.files import LORA_FILE, TOKEN, TOKENS_FILE
from fairness_core.report.model_names import hub_id, model_source, public_name
from fairness_core.report.settings import settings_rows, target_rows
from fairness_core.report.table import READING, markdown_table, printed
from fairness_core.settings.config import FinetuneConfig

TEMPLATE = Path(__file__).with_name("templates") / "model_card.md"
TAGS = {"tokens": "textual_inversion"}
LOAD_LORA = f'''pipeline.load_lora_weights(".", weight_name="{LORA_FILE}", adapter_name="fairness")
pipeline.set_adapters("fairness", 1.0)  # strength: 0 is the original model'''
LOAD_TOKENS = f'''pipeline.load_textual_inversion("{TOKENS_FILE}", token="{TOKEN}")
# FLUX.1 alone: its T5 reads the prompt as well, so give it the words without {TOKEN} as prompt_2'''
# tune -> what the adapter is, how a pipeline loads it, what is written before a prompt
ADAPTERS = {
    "text_encoder": ("A LoRA adapter for the text encoder", LOAD_LORA, ""),
    "unet": ("A LoRA adapter for the network that paints", LOAD_LORA, ""),
    "both": ("A LoRA adapter for the text encoder and the network that paints", LOAD_LORA, ""),
    "tokens": ("Soft tokens, written before a prompt, for the text encoder", LOAD_TOKENS, f"{TOKEN} "),
}
# column of the table -> what the hub's list of results calls it
RESULTS = {"bias_after": ("bias", "Bias"), "distance_after": ("total_variation", "Distance to the target")}


def model_card(config: FinetuneConfig, table: Sequence[dict], about: About) -> str:
    """The README of an adapter's repository, in Markdown with front matter."""
    results = eval_results(table)
    data = ModelCardData(
        library_name="diffusers", pipeline_tag="text-to-image", base_model=hub_id(about.model) or None,
        tags=["text-to-image", TAGS.get(config.tune, "lora"), "diffusers", "fairness"],
        **({"model_name": about.title, "eval_results": results} if results else {}))
    prompt = config.prompts[0] if config.prompts else "a photo of the face of a nurse, a person"
    what, loading, written = ADAPTERS[config.tune]
    machine = f" on {about.machine}" if about.machine else ""
    return str(ModelCard.from_template(
        data, template_path=str(TEMPLATE), title=about.title, model=public_name(about.model),
        source=model_source(about.model), note=about.note, what=what, loading=loading, prompt=repr(written + prompt),
        target=markdown_table(["Attribute", "Class", "Target"], target_rows(config)),
        steps=config.steps_shown, guidance=config.guidance_scale, reading=READING,
        origin=f"The figures were recorded beforehand{machine}. " if about.recorded else "",
        measures=markdown_table(*printed(table)) if table else "Nothing was compared yet.",
        settings=markdown_table(["Setting", "Value"], settings_rows(config))))


def eval_results(table: Sequence[dict]) -> list[EvalResult]:
    """What the hub lists beside a model: distance of every controlled attribute over all prompts, and bias at parity."""
    rows = [row for row in table if row["controlled"] and row["group"] == "all"]
    return [EvalResult(
        task_type="text-to-image", dataset_type="generated-images",
        dataset_name=f"{row['images']} generated images of {row['prompts']} prompts", metric_type=kind,
        metric_name=f"{label}, perceived {row['attribute']}", metric_value=round(row[column], 4))
        for row in rows for column, (kind, label) in RESULTS.items()
        if row[column] is not None and (kind != "bias" or row["at_parity"])]
