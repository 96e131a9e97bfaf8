"""Named, typed, documented endpoints: the API of the app, and its MCP tools."""

import gradio as gr

from app.endpoints.audit import AuditEndpoints
from app.endpoints.compare import CompareEndpoints
from app.endpoints.finetune import FinetuneEndpoints
from app.jobs.runner import JobRunner
from app.rooms.desk import Desk

MOST_WAITING = 50  # clients at once who wait for pictures


def add_endpoints(runner: JobRunner, desk: Desk) -> None:
    """Adds every endpoint to the Blocks being built, under the name of its method."""
    finetunes, compares, audits = (family(runner, desk) for family in (FinetuneEndpoints, CompareEndpoints, AuditEndpoints))
    for quick in (finetunes.models, finetunes.finetune, finetunes.status, finetunes.stop):
        gr.api(quick, concurrency_limit=None)
    for slow in (compares.compare, audits.audit, audits.report):
        gr.api(slow, concurrency_limit=MOST_WAITING)
