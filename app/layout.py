"""The page: which room stands where. Each room is a module of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from app import words
from app.endpoints.api import add_endpoints
from app.engine import Engine
from app.html.fragment import fragment
from app.html.render import offer
from app.jobs.runner import JobRunner
from app.jobs.visitors import Visitors
from app.page import QUIET, Page
from app.rooms.classroom import ClassroomRoom
from app.rooms.compare import CompareRoom
from app.rooms.desk import Desk
from app.rooms.finetune import FinetuneRoom
from app.rooms.hosting import HostingRoom
from app.rooms.lab import LabRoom
from app.rooms.must_not_move import MustNotMoveRoom
from app.rooms.progress import ProgressRoom
from app.rooms.runs import RunsRoom
from app.rooms.settings import SettingsRoom
from app.rooms.target import TargetRoom


def build_app(engine: Engine, runs_root: Path, recorded_root: Path, visitors: Visitors | None = None) -> gr.Blocks:
    """The page on an engine. runs_root: where runs are kept; recorded_root: runs that ship with the app; visitors:
    what each of them may ask for, without limits unless given.

    The job runner is at `.runner`, for a clean shutdown; `.first_look()` draws what everyone sees first.
    """
    runner = JobRunner(engine, runs_root, recorded_root, visitors)
    desk = Desk(runner)
    target, finetune, shared, hosting, progress, compare, *tabs = desk.rooms = [
        room(desk) for room in (TargetRoom, FinetuneRoom, SettingsRoom, HostingRoom, ProgressRoom, CompareRoom, MustNotMoveRoom,
                                LabRoom, ClassroomRoom, RunsRoom)]
    page = Page(("job_id", "seen", *(name for room in desk.rooms for name in room.view_inputs)))
    with gr.Blocks(title=words.TITLE, analytics_enabled=False, delete_cache=(3600, 24 * 3600)) as demo:
        gr.Markdown(words.INTRO)
        page["job_id"] = gr.Textbox("", visible=False)
        page["seen"] = gr.State({})
        page["timer"] = gr.Timer(1.0, active=False)  # the page loads first, then it polls
        with gr.Tabs(overflow_behavior="wrap") as page["tabs"]:
            with gr.Tab("Balance", id="balance"):
                page["banner"] = gr.HTML("", elem_id="banner")
                gr.HTML(fragment("steps", steps=words.STEPS), js_on_load="goToStep(element)", elem_id="steps")
                with gr.Row(equal_height=False):
                    with gr.Column(scale=4, min_width=340):
                        target.build(page)
                    with gr.Column(scale=9, min_width=340):
                        finetune.build(page)
                        shared.build(page)
                        hosting.build(page)
                        progress.build(page)
                        compare.build(page)
            for room in tabs:
                room.build(page)
            with gr.Tab("About"):
                gr.Markdown(words.ABOUT)
        for room in desk.rooms:
            room.wire(page)
        page.on(page["timer"].tick, desk.refresh, page.view_inputs)
        *_, classroom, _ = tabs
        demo.load(loader(page, desk, shared, classroom), [page[n] for n in page.view_inputs], list(page.values()), **QUIET)
        add_endpoints(runner, desk)
    demo.runner = runner
    demo.first_look = lambda: desk.refresh({name: page[name].value for name in page.view_inputs} | {"seen": {}})
    return demo


def loader(page: Page, desk: Desk, shared: SettingsRoom, classroom: ClassroomRoom) -> Callable:
    """A page that opens: the job, the class and the settings in its address, if there are any."""
    def load(request: gr.Request, *values: Any) -> dict:
        job_id = request.query_params.get("job", "")
        lesson = classroom.from_link(request.query_params.get("class", ""), request.query_params.get("teacher", ""))
        updates = desk.refresh(dict(zip(page.view_inputs, values)) | {"job_id": job_id, "seen": {}} | lesson)
        if not job_id:
            updates["banner"] = offer(desk.runner.left_behind())
        named = {"job_id": job_id} if job_id else {}  # a Start that was quicker than this answer keeps its job
        return page.named(named | lesson | updates | shared.from_link(request.query_params.get("settings", "")))
    return load
