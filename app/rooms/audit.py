"""Audit pictures made elsewhere: files dropped on the page, judged by a classifier that is chosen and said."""

from typing import Any

import gradio as gr

from app import words_audit as words
from app.html import judged as html
from app.html import render
from app.html.fragment import fragment
from app.jobs.auditing import AuditAsked, download_paths, judged_of, progress_of, progress_words
from app.jobs.files import AUDIT, RUNNING, Failure, JobView
from app.page import Page, Piece, Updates, Values, known_or_first, unless_shown
from app.requests import settings
from app.rooms.compare_figures import attribute_pairs, joint_target, marginal_target
from app.rooms.desk import Desk
from app.rooms.downloads import download_piece
from app.rooms.target import SHARES
from app.targets.sliders import marginals, target_presets, target_words
from fairness_core.errors import UserError, words_for
from fairness_core.pictures.judge_entries import BUILT_IN
from fairness_core.pictures.judged import Judged
from fairness_core.pictures.limits import PicturesError
from fairness_core.pictures.sources import suffixes
from fairness_core.plots.judged import joint_shares, judged_bars, share_plot
from fairness_core.report.judged import joint_counts
from fairness_core.settings.attributes import load_attributes
from fairness_core.settings.config import FinetuneConfig

SORTS = [("Share", "share"), ("Name", "name")]
DOWNLOADS = {"audit_report": "Report (html)", "audit_csv": "Table (csv)", "audit_list": "Every picture (csv)"}
ASKED = ("audit_files", "audit_target", "audit_judge", "audit_faces", "audit_from")


class AuditRoom:
    view_inputs = ("audit_id", "audit_prompt", "audit_bars", "audit_class", "audit_sort", "audit_pair")
    shows = ("audit_start", "audit_stop", "audit_status", "audit_empty", "audit_found", "audit_told", "audit_prompt",
             "audit_pictures", "audit_distribution", "audit_outcomes", "audit_joint", "audit_table", *DOWNLOADS)

    def __init__(self, desk: Desk):
        self.desk = desk

    # ------------------------------------------------------------ what stands where

    def build(self, page: Page) -> None:
        with gr.Tab("Audit pictures", id="audit") as self.tab:
            gr.Markdown(words.AUDIT)
            page["audit_id"] = gr.Textbox("", visible=False)
            page["audit_files"] = gr.File(file_count="multiple", file_types=list(suffixes()), label=words.FILES, height=150,
                                          elem_id="audit-files")
            self.build_choices(page)
            with gr.Row():
                page["audit_start"] = gr.Button("Judge these pictures", variant="primary", elem_id="audit-start")
                page["audit_stop"] = gr.Button("Stop", interactive=False, elem_id="audit-stop")
            page["audit_status"] = gr.HTML("", elem_id="audit-status")
            page["audit_empty"] = gr.HTML(fragment("empty", text=words.EMPTY), elem_id="audit-empty")
            with gr.Column(visible=False, elem_id="audit-found") as page["audit_found"]:
                self.build_found(page)

    def build_choices(self, page: Page) -> None:
        targets = [*(preset.label for preset in target_presets()), words.BALANCE_TARGET]
        judges = [(f"{judge.label}{' – not set up here' if judge.unavailable else ''}", judge.name)
                  for judge in self.desk.runner.engine.judges()]
        with gr.Row():
            page["audit_judge"] = gr.Dropdown(judges, value=BUILT_IN, label="Judged by", info=words.JUDGE,
                                              elem_id="audit-judge", min_width=300)
            page["audit_target"] = gr.Dropdown(targets, value=targets[0], label="Target", info=words.TARGET,
                                               elem_id="audit-target", min_width=260)
        with gr.Row():
            page["audit_from"] = gr.Dropdown(words.PROMPTS, value="auto", label="Prompts from", info=words.PROMPTS_INFO,
                                             elem_id="audit-from", min_width=300)
            page["audit_faces"] = gr.Radio(words.FACES, value="largest", label="Faces that count", info=words.FACES_INFO,
                                           elem_id="audit-faces", min_width=260)

    def build_found(self, page: Page) -> None:
        attributes, classes, pairs = load_attributes().values(), render.class_choices(), attribute_pairs()
        page["audit_told"] = gr.HTML("", elem_id="audit-told")
        with gr.Row():
            page["audit_prompt"] = gr.Dropdown([], label="Prompt", elem_id="audit-prompt", min_width=220)
            page["audit_bars"] = gr.CheckboxGroup([(a.label, a.name) for a in attributes], value=["gender"],
                                                  label="Bars shown", info=words.BARS, elem_id="audit-bars", min_width=300)
        page["audit_pictures"] = gr.HTML("", elem_id="audit-pictures", js_on_load="enlarge(element)")
        with gr.Row():
            page["audit_class"] = gr.Dropdown(classes, value=classes[0][1], label="Plotted", elem_id="audit-class",
                                              min_width=220)
            page["audit_sort"] = gr.Radio(SORTS, value="share", label="Sorted by", elem_id="audit-sort", min_width=200)
            page["audit_pair"] = gr.Dropdown(pairs, value=pairs[0][1], label="Combinations of", elem_id="audit-pair",
                                             min_width=220)
        page["audit_distribution"] = gr.Plot(show_label=False, elem_id="audit-distribution")
        with gr.Row(equal_height=False):
            for name in ("audit_outcomes", "audit_joint"):
                with gr.Column(min_width=300):
                    page[name] = gr.Plot(show_label=False, elem_id=name.replace("_", "-"))
        page["audit_table"] = gr.HTML("", elem_id="audit-table")
        gr.Markdown(words.TABLE_NOTE, elem_classes="note")
        with gr.Row():
            for name, label in DOWNLOADS.items():
                page[name] = gr.DownloadButton(label, elem_id=name.replace("_", "-"), min_width=150)

    def wire(self, page: Page) -> None:
        self.desk.redraws(page, page["audit_start"].click, self, self.start, (*ASKED, *SHARES), ("audit_id",))
        self.desk.redraws(page, page["audit_stop"].click, self, self.stop, writes=("audit_id",))
        self.desk.redraws(page, self.tab.select, self, self.find, writes=("audit_id",))
        for name in self.view_inputs[1:]:
            self.desk.redraws(page, page[name].input, self)

    # ------------------------------------------------------------ what is done

    def start(self, values: Values) -> Updates:
        def ask() -> str:
            if not values["audit_files"]:
                raise PicturesError("Nothing was handed over yet: drop pictures or a zip first.")
            asked = AuditAsked(tuple(map(str, values["audit_files"])), values["audit_judge"], values["audit_faces"], values["audit_from"])
            return self.desk.runner.audit(asked, self.config(values))
        return self.trying(values, ask)

    def config(self, values: Values) -> FinetuneConfig:
        """The target that is chosen, as settings. Raises TargetError."""
        if values["audit_target"] == words.BALANCE_TARGET:
            return FinetuneConfig(**settings.chosen_target(values))
        presets = {preset.label: preset for preset in target_presets()}
        preset = presets.get(values["audit_target"], next(iter(presets.values())))
        return FinetuneConfig(marginals=marginals(preset.percents))

    def stop(self, values: Values) -> Updates:
        def ask() -> str:
            self.desk.runner.stop(values["audit_id"])
            return values["audit_id"]
        return self.trying(values, ask)

    def trying(self, values: Values, ask: Any) -> Updates:
        try:
            audit_id = ask()
        except (UserError, OSError) as error:
            return {"audit_status": render.banner(Failure(words_for(error), "Nothing was started."))}
        return {"audit_id": audit_id} | self.desk.refresh(values | {"audit_id": audit_id}, self)

    def find(self, values: Values) -> Updates:
        """When the tab is opened: the audit that was on it, else the page's, else the latest."""
        view = self.audit_of(self.desk.view_of(self.desk.known(values["job_id"])), values)
        latest = next((line.job_id for line in self.desk.runner.history() if line.request.kind == AUDIT), "")
        audit_id = view.job_id if view else latest
        return {"audit_id": audit_id} | self.desk.refresh(values | {"audit_id": audit_id}, self)

    # ------------------------------------------------------------ what is seen

    def audit_of(self, view: JobView | None, values: Values) -> JobView | None:
        own = self.desk.view_of(self.desk.known(values["audit_id"]))
        return own or (view if view and view.request.kind == AUDIT else None)

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        audit = self.audit_of(view, values)
        judged, active = judged_of(audit), audit is not None and audit.is_active
        status = self.status(audit)
        found, which = judged is not None, (audit.job_id if audit and judged else "", judged and judged.pictures)
        paths = download_paths(audit) if judged else (None,) * len(DOWNLOADS)
        return {
            "audit_start": Piece(active, lambda: gr.update(interactive=not active)),
            "audit_stop": Piece(active, lambda: gr.update(interactive=active)),
            "audit_status": Piece(status, lambda: status),
            "audit_empty": Piece(audit is None, lambda: gr.update(visible=audit is None)),
            "audit_found": Piece(found, lambda: gr.update(visible=found)),
            **self.found(audit, judged, which, values),
            **{name: download_piece(path) for name, path in zip(DOWNLOADS, paths)}}

    def found(self, audit: JobView | None, judged: Judged | None, which: tuple, values: Values) -> dict[str, Piece]:
        """What is drawn of the pictures that were judged; nothing before."""
        if judged is None:
            return {name: Piece(which, lambda: "") for name in ("audit_told", "audit_pictures", "audit_table")} | {
                name: Piece(which, lambda: None) for name in ("audit_distribution", "audit_outcomes", "audit_joint")} | {
                "audit_prompt": Piece(which, lambda: gr.update(choices=[], value=None))}
        config, sets = audit.request.config, judged.image_sets
        chosen = next((one for one in judged.prompts if one.prompt == values["audit_prompt"]), judged.prompts[0])
        name, class_name = known_or_first(values["audit_class"], render.class_choices()).split(":")
        bars = [b for b in load_attributes() if b in (values["audit_bars"] or ())]
        names = known_or_first(values["audit_pair"], attribute_pairs()).split(" x ")
        first, second = (load_attributes()[n] for n in names)
        attribute, target = load_attributes()[name], marginal_target(config, name)
        ratio = None if target is None else float(target[attribute.class_names.index(class_name)])
        return {
            "audit_told": Piece(which, lambda: html.told(judged, config.target(), target_words(config))),
            "audit_prompt": Piece((which, chosen.prompt), lambda: gr.update(
                choices=html.prompt_choices(judged), **unless_shown(chosen.prompt, values["audit_prompt"]))),
            "audit_pictures": Piece((which, chosen.prompt, tuple(bars)), lambda: html.cards(chosen, bars)),
            "audit_distribution": Piece((which, name, class_name, values["audit_sort"]), lambda: share_plot(
                sets, attribute, class_name, ratio, values["audit_sort"] == "name")),
            "audit_outcomes": Piece((which, name), lambda: judged_bars(sets, attribute, target)),
            "audit_joint": Piece((which, values["audit_pair"]), lambda: joint_shares(
                joint_target(config, names), joint_counts(judged, names), first, second)),
            "audit_table": Piece(which, lambda: html.table(judged, config.target())),
        }

    def status(self, audit: JobView | None) -> str:
        if audit is None:
            return ""
        if audit.failure:
            return render.banner(audit.failure)
        done = progress_of(audit)
        percent = 100 * done.done / max(done.total, 1) if audit.state == RUNNING else None
        return fragment("status", kind=audit.state, text=progress_words(audit), percent=percent)
