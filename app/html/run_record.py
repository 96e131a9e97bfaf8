"""What is told about one run: its settings, and the command that repeats it. Pure functions."""

from app.html.fragment import fragment
from app.html.render import STATE_WORDS, status_words
from app.jobs import files as jobs
from app.jobs.auditing import asked_rows
from app.jobs.files import JobView
from app.requests.settings_text import as_yaml
from app.targets.sliders import target_words
from app.text import friendly_time
from fairness_core.report.settings import settings_rows


def about(view: JobView) -> str:
    """Target, state and every setting, as HTML."""
    return fragment("run_record", name=view.request.name, when=friendly_time(view.created), state=STATE_WORDS[view.state],
                    status=status_words(view), target=target_words(view.request.config) or "no target of its own",
                    settings=asked_rows(view) if view.request.kind == jobs.AUDIT else settings_rows(view.request.config))


def again(view: JobView) -> str:
    """One command for a terminal, settings included; empty for what the command line does not make."""
    config = view.request.config
    if view.request.kind not in (jobs.FINETUNE, jobs.ADAPTER) or not (config.marginals or config.joint):
        return ""
    return (f"python -m fairness_core train --out runs/again-{view.job_id} --config /dev/stdin <<'SETTINGS'\n"
            f"{as_yaml(view.request.config)}SETTINGS")
