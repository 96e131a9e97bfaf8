"""What is told about one run: its settings, and the command that repeats it. Pure functions."""

from app.html.render import STATE_WORDS, status_words
from app.jobs import files as jobs
from app.jobs.files import JobView
from app.requests.settings_text import as_yaml
from app.targets.sliders import target_words
from app.text import friendly_time, plain
from fairness_core.report.settings import settings_rows


def about(view: JobView) -> str:
    """Target, state and every setting, as HTML."""
    rows = "".join(f'<tr><th scope="row">{plain(name)}</th><td>{plain(value)}</td></tr>'
                   for name, value in settings_rows(view.request.config))
    name = f"“{plain(view.request.name)}”, " if view.request.name else ""
    when = plain(friendly_time(view.created))
    target = plain(target_words(view.request.config)) or "no target of its own"
    return (f'<div class="origin"><strong>{name}{when}, {STATE_WORDS[view.state]}</strong>. {plain(status_words(view))} '
            f"Target: {target}.</div><details class='settings'><summary>All settings</summary>"
            f'<div class="scroll" tabindex="0" role="group" aria-label="Settings"><table class="measures settings-table">'
            f"<tbody>{rows}</tbody></table></div></details>")


def again(view: JobView) -> str:
    """One command for a terminal, settings included; empty for what the command line does not make."""
    config = view.request.config
    if view.request.kind not in (jobs.FINETUNE, jobs.ADAPTER) or not (config.marginals or config.joint):
        return ""
    return (f"python -m fairness_core train --out runs/again-{view.job_id} --config /dev/stdin <<'SETTINGS'\n"
            f"{as_yaml(view.request.config)}SETTINGS")
