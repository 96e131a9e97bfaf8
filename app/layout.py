"""The page: which room stands where. Each room is a module of its own."""

from collections.abc import Callable
from dataclasses import dataclass
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
from app.rooms.audit import AuditRoom
from app.rooms.classroom import ClassroomRoom
from app.rooms.compare import CompareRoom
from app.rooms.concepts import build_concepts, build_model
from app.rooms.desk import Desk
from app.rooms.finetune import FinetuneRoom
from app.rooms.first_look import FirstLookRoom
from app.rooms.hosting import HostingRoom
from app.rooms.lab import LabRoom
from app.rooms.live import LiveRoom
from app.rooms.must_not_move import MustNotMoveRoom
from app.rooms.opening import OPENED, place_of, settings_of
from app.rooms.progress import ProgressRoom
from app.rooms.runs import RunsRoom
from app.rooms.settings import SettingsRoom
from app.rooms.side_by_side import SideBySideRoom
from app.rooms.target import TargetRoom


@dataclass(frozen=True)
class Rooms:
    """The rooms of the page, by name."""

    target: TargetRoom
    finetune: FinetuneRoom
    settings: SettingsRoom
    hosting: HostingRoom
    first_look: FirstLookRoom
    live: LiveRoom
    progress: ProgressRoom
    compare: CompareRoom
    must_not_move: MustNotMoveRoom
    audit: AuditRoom
    lab: LabRoom
    classroom: ClassroomRoom
    runs: RunsRoom
    side_by_side: SideBySideRoom

    @classmethod
    def of(cls, desk: Desk) -> "Rooms":
        """All of them at this desk, which knows them from then on."""
        rooms = cls(target=TargetRoom(desk), finetune=FinetuneRoom(desk), settings=SettingsRoom(desk), hosting=HostingRoom(desk),
                    first_look=FirstLookRoom(desk), live=LiveRoom(desk), progress=ProgressRoom(desk),
                    compare=CompareRoom(desk), must_not_move=MustNotMoveRoom(desk), audit=AuditRoom(desk), lab=LabRoom(desk),
                    classroom=ClassroomRoom(desk), runs=RunsRoom(desk), side_by_side=SideBySideRoom(desk))
        desk.rooms = tuple(vars(rooms).values())
        return rooms


def build_app(engine: Engine, runs_root: Path, recorded_root: Path, visitors: Visitors | None = None) -> gr.Blocks:
    """The page on an engine. runs_root: where runs are kept; recorded_root: runs that ship with the app; visitors:
    what each of them may ask for, without limits unless given.

    The job runner is at `.runner`, for a clean shutdown; `.first_look()` draws what everyone sees first.
    """
    runner = JobRunner(engine, runs_root, recorded_root, visitors)
    desk = Desk(runner)
    rooms = Rooms.of(desk)
    page = page_of(desk)
    with gr.Blocks(title=words.TITLE, analytics_enabled=False, delete_cache=(3600, 24 * 3600)) as demo:
        build_page(page, rooms)
        for room in desk.rooms:
            room.wire(page)
        page.on(page["timer"].tick, desk.refresh, page.view_inputs, page.shows)
        opened = dict.fromkeys((*OPENED, *page.shows, *ClassroomRoom.linked, "side_runs"))
        demo.load(loader(page, desk, rooms), page.called(("last_job", *page.view_inputs)), page.called(opened),
                  **QUIET).then(None, [page["job_id"]], [page["last_job"]], js="rememberJob", **QUIET).then(
                      None, js="pageOpened", **QUIET)
        add_endpoints(runner, desk)
    demo.runner = runner
    demo.first_look = lambda: desk.refresh({name: page[name].value for name in page.view_inputs} | {"seen": {}})
    return demo


def page_of(desk: Desk) -> Page:
    """Still empty, but knows what its rooms look at and what they show."""
    return Page(("job_id", "seen", *(name for room in desk.rooms for name in room.view_inputs)),
                ("banner", "seen", *(name for room in desk.rooms for name in room.shows)))


def build_page(page: Page, rooms: Rooms) -> None:
    """Every room's components, where they stand."""
    gr.HTML(fragment("skip"), js_on_load="goToStep(element)", elem_id="skip")
    gr.Markdown(words.INTRO, elem_id="intro")
    page["job_id"] = gr.Textbox("", visible=False, elem_id="job-id")  # which ticks.js looks for
    page["last_job"] = gr.BrowserState("", storage_key="last-job", secret="last-job")  # in a frame: see rememberJob
    page["seen"] = gr.JSON({}, visible=False)
    page["timer"] = gr.Timer(1.0, active=False)  # the page loads first, then it polls
    with gr.Tabs(overflow_behavior="wrap") as page["tabs"]:
        with gr.Tab("Balance", id="balance"):
            build_balance(page, rooms)
        for room in (rooms.must_not_move, rooms.audit, rooms.lab, rooms.classroom, rooms.runs, rooms.side_by_side):
            room.build(page)
        with gr.Tab("About"):
            gr.Markdown(words.ABOUT)
    rooms.compare.pair.build(page)


def build_balance(page: Page, rooms: Rooms) -> None:
    """What can be seen, beside the three steps to one's own; page.css says where each part stands."""
    page["banner"] = gr.HTML("", elem_id="banner")
    gr.HTML(fragment("steps", steps=words.STEPS), js_on_load="goToStep(element)", elem_id="steps")
    with gr.Row(equal_height=False, elem_id="balance"):
        with gr.Column(elem_id="look", min_width=320):
            rooms.first_look.build(page)
            rooms.live.build(page)
        with gr.Column(elem_id="choose", min_width=320):
            build_steps(page, rooms)
        with gr.Column(elem_id="act", min_width=320):
            build_buttons(page, rooms)
        with gr.Column(elem_id="told", min_width=320):
            for room in (rooms.hosting, rooms.progress, rooms.compare):
                room.build(page)


def build_steps(page: Page, rooms: Rooms) -> None:
    """Target, prompts and length; everything that few visitors change is in Advanced."""
    first = next(iter(rooms.finetune.desk.presets.values())).config
    rooms.target.build(page)
    build_concepts(page, first)
    rooms.finetune.build(page)
    rooms.settings.build_note(page)
    with gr.Accordion("Advanced: model, published experiments, settings", open=False, elem_id="advanced"):
        build_model(page, rooms.finetune.desk.runner.engine)
        rooms.settings.build(page)
        rooms.finetune.build_advanced(page)


def build_buttons(page: Page, rooms: Rooms) -> None:
    """Start, and what goes with a run that is there."""
    with gr.Row(elem_id="buttons"):
        rooms.finetune.build_buttons(page)
        rooms.first_look.build_watch(page)
    rooms.progress.build_status(page)
    rooms.finetune.build_more(page)


def loader(page: Page, desk: Desk, rooms: Rooms) -> Callable:
    """A page that opens: the job, the class and the settings in its address, if there are any. An address that holds
    none of them, in a frame, shows the visitor's last job again."""
    def load(request: gr.Request, last_job: str, *sent: Any) -> dict:
        told = any(request.query_params.get(name) for name in ("job", "class", "settings", "runs"))
        job_id = request.query_params.get("job", "") if told else desk.known(last_job)
        lesson = rooms.classroom.from_link(request.query_params.get("class", ""), request.query_params.get("teacher", ""))
        side = rooms.side_by_side.from_link(request.query_params.get("runs", ""))
        place = place_of(desk, job_id) if job_id else {}
        job_id = place.pop("job_id", "")
        updates = desk.refresh(page.read(page.view_inputs, sent) | {"job_id": job_id, "seen": {}} | lesson | place | side)
        if not job_id:  # without an offer nothing is said: an answer to a Start that was quicker may be there already
            updates.pop("banner")
            if left := desk.runner.left_behind():
                updates["banner"] = offer(left)
        named = {"job_id": job_id} if job_id else {}  # a Start that was quicker than this answer keeps its job
        repeats = settings_of(desk, desk.view_of(desk.known(job_id)))
        return page.named(named | place | lesson | updates | repeats | rooms.side_by_side.opened(side)
                          | rooms.settings.from_link(request.query_params.get("settings", "")))
    return load
