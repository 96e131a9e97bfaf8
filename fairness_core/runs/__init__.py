"""A run is a folder: settings, events, film strip, adapter, comparisons. Live and recorded runs share the format.

    config.yaml  about.yaml  events.jsonl  comparisons.json  corrections.json  film/*.webp  images/*.webp
    adapter/pytorch_lora_weights.safetensors
"""

from fairness_core.runs.bundle import bundle
from fairness_core.runs.comparisons import load_comparisons, save_comparisons
from fairness_core.runs.events import append_event, event_lines, read_events
from fairness_core.runs.folder import (RunError, RunFolder, new_run_id, read_about, read_config, run_path, save_about,
                                       save_config)
from fairness_core.runs.hub import HubError, push
from fairness_core.runs.reports import guidance_folder, guidance_sweep, strength_folder, strength_sweep, write_report

__all__ = ["HubError", "RunError", "RunFolder", "append_event", "bundle", "event_lines", "guidance_folder",
           "guidance_sweep", "load_comparisons", "new_run_id", "push", "read_about", "read_config", "read_events", "run_path",
           "save_about", "save_comparisons", "save_config", "strength_folder", "strength_sweep", "write_report"]
