"""models: what each model needs, whether it is here, and its download once its licence is accepted."""

from argparse import Namespace
from textwrap import fill

from fairness_core.commands.common import DONE
from fairness_core.models.files import ModelError, download
from fairness_core.models.loading import ModelEntry, available_models, entry_for


def run(options: Namespace) -> int:
    if options.download is None:
        entries = available_models()
        for entry in entries:
            print(row(entry, max(len(each.name) for each in entries)))
        return DONE
    entry = entry_for(options.download)
    if not entry.needs_download:
        print(f"{entry.label} is on this machine already.")
        return DONE
    print(terms(entry), flush=True)
    if not options.accept_licence:
        raise ModelError("Read the licence above; to download under it, add --accept-licence.")
    print(f"{entry.label} is in {download(entry.repo)}.")
    return DONE


def row(entry: ModelEntry, width: int) -> str:
    """One model in a line: its name, so wide, what it needs, and where it stands here."""
    needs = f"{entry.resolution} px, {entry.sampling_steps} steps, guidance {entry.guidance_scale:g}"
    if entry.compare_gb:
        needs += f", GPU memory {entry.compare_gb:g} GB to compare, {entry.finetune_gb:g} GB to finetune"
    here = entry.unavailable or (f"not downloaded ({entry.download_gb:g} GB)" if entry.needs_download else "ready")
    return f"{entry.name:{width}} {entry.label}: {needs}; {entry.licence.name}. Here: {here}"


def terms(entry: ModelEntry) -> str:
    """The licence, as it is shown before a download."""
    size = f", {entry.download_gb:g} GB" if entry.download_gb else ""
    return "\n".join([f"{entry.label} ({entry.repo}{size})", f"{entry.licence.name}: {entry.licence.url}",
                      fill(entry.licence.terms, 110)])
