"""The look: one calm theme for light and dark, readable from 390 pixels up."""

import gradio as gr

ACCENT = gr.themes.Color(
    c50="#eef4fb", c100="#dbe8f6", c200="#b8d1ed", c300="#8db4e0", c400="#5e94d1", c500="#3a78bd", c600="#2b62a3",
    c700="#244f84", c800="#1f426c", c900="#1a3557", c950="#12233a")


def theme() -> gr.themes.Base:
    """System fonts: the page works with no network."""
    fonts = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
    return gr.themes.Base(
        primary_hue=ACCENT, secondary_hue=ACCENT, neutral_hue="slate", radius_size="md", spacing_size="md",
        text_size="md", font=fonts, font_mono=("ui-monospace", "Consolas", "monospace"),
    ).set(
        body_background_fill="#f6f7f9", body_background_fill_dark="#14171c",
        block_background_fill="#ffffff", block_background_fill_dark="#1b1f26",
        background_fill_primary="#ffffff", background_fill_primary_dark="#1b1f26",
        background_fill_secondary="#f1f3f6", background_fill_secondary_dark="#20252d",
        border_color_primary="#dfe3e9", border_color_primary_dark="#313843",
        block_info_text_color="#5b6472", block_info_text_color_dark="#a2abb8",
        body_text_color="#1d232c", body_text_color_dark="#e6e9ee",
        body_text_color_subdued="#5b6472", body_text_color_subdued_dark="#a2abb8",
        block_title_text_color="*body_text_color", block_title_text_color_dark="*body_text_color",
        input_background_fill_dark="#262d37", input_placeholder_color="#5f6977", input_placeholder_color_dark="#98a2b0",
        button_secondary_background_fill_dark="#343c48", button_secondary_background_fill_hover_dark="#414b59",
        button_secondary_text_color="*body_text_color", button_secondary_text_color_dark="*body_text_color",
        button_secondary_border_color_dark="#343c48", checkbox_label_background_fill_dark="#262d37",
        button_cancel_background_fill="#fbe3e3", button_cancel_background_fill_dark="#4a1b1f",
        button_cancel_background_fill_hover="#f6cfcf", button_cancel_background_fill_hover_dark="#5e2328",
        button_cancel_text_color="#8a1717", button_cancel_text_color_dark="#ffd0d0",
        button_cancel_text_color_hover="#8a1717", button_cancel_text_color_hover_dark="#ffd0d0",
        button_cancel_border_color="#e0a3a3", button_cancel_border_color_dark="#7d3036",
        checkbox_border_color="#7a8493", checkbox_border_color_dark="#8a94a3",
        block_label_background_fill="*block_background_fill", block_label_background_fill_dark="*block_background_fill",
        layout_gap="12px", block_padding="10px 12px",
        block_shadow="none", block_title_text_weight="600", button_large_text_weight="600",
        button_primary_background_fill="*primary_600", button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600", button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="#ffffff", button_primary_text_color_dark="#ffffff",
    )


CSS = """
.gradio-container { width: 100%; max-width: 1500px !important; margin: 0 auto !important; }
.gradio-container > .main { width: 100%; padding: 16px clamp(12px, 2.5vw, 32px) !important; }
main.contain, .wrap:has(> main) { width: 100%; }
.html-container { padding: 0 !important; }
.html-container, .prose { min-width: 0; max-width: 100%; }
.prose a { padding: 0; }  /* gradio sets links in texts as wide as buttons; .steps and .runs below want them so */
.dark input[type="range"] { --neutral-200: #3b4451; }
input[type="range"]::-webkit-slider-thumb { box-shadow: 0 0 0 1.5px var(--primary-600), 0 1px 3px #0005 !important; }
input[type="range"]::-moz-range-thumb { box-shadow: 0 0 0 1.5px var(--primary-600), 0 1px 3px #0005 !important; }
.js-plotly-plot text:not(.heatmap-label text, .hoverlayer text) { fill: var(--body-text-color) !important; }
#steps, #banner:not(:has(.alert, .origin)), #hosting:not(:has(p)) { display: none; }
.label-wrap { text-align: left; }
.steps { display: flex; gap: .5rem; flex-wrap: wrap; margin-bottom: .4rem; }
.steps a { padding: .45rem .8rem; border-radius: 999px; border: 1px solid var(--border-color-primary);
  background: var(--background-fill-primary); color: var(--body-text-color) !important; text-decoration: none; }
.step-title h2 { font-size: 1.15rem; margin: .2rem 0 0; }
.step-title .number { display: inline-grid; place-items: center; width: 1.6rem; height: 1.6rem; border-radius: 50%;
  background: var(--primary-600); color: #fff; font-size: .9rem; margin-right: .5rem; }
.part-title h3 { font-size: 1rem; margin: .6rem 0 0; }
#fixes ul { margin: .2rem 0 0 1.1rem; font-size: .88rem; }
.note, .note * { color: var(--body-text-color-subdued); font-size: .86rem; line-height: 1.45; }
.tight { gap: 8px; } #joint { gap: 8px; }
.wrong { color: #b3261e; font-size: .86rem; line-height: 1.45; } .dark .wrong { color: #ff9c9c; }
.status { display: flex; gap: .6rem; align-items: baseline; font-size: .98rem; padding: .2rem 0; }
.status .dot { flex: none; width: .65rem; height: .65rem; border-radius: 50%; background: #8a93a0; }
.status.running .dot { background: #2b8a3e; } .status.queued .dot, .status.interrupted .dot { background: #d9820a; }
.status.failed .dot { background: #c92a2a; } .status.finished .dot { background: var(--primary-500); }
.bar { height: 6px; background: var(--border-color-primary); border-radius: 3px; overflow: hidden; margin-top: .4rem; }
.bar div { height: 100%; background: var(--primary-500); transition: width .4s; }
.alert { border: 1px solid #c92a2a; border-left-width: 6px; background: #fdeeee; color: #611; border-radius: 8px;
  padding: .8rem 1rem; }
.alert p { margin: .3rem 0 0; } .alert pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .78rem;
  max-height: 16rem; overflow: auto; }
.alert summary { cursor: pointer; margin-top: .4rem; }
.dark .alert { background: #3a1518; color: #ffd9d9; }
.origin { padding: .6rem .9rem; border-radius: 8px; background: var(--background-fill-secondary); line-height: 1.45; }
.origin.recorded { border-left: 5px solid #d9820a; }
.empty { padding: 2.2rem 1rem; text-align: center; border: 1px dashed var(--border-color-primary); border-radius: 8px;
  color: var(--body-text-color-subdued); line-height: 1.6; }
.film figcaption { font-size: .86rem; color: var(--body-text-color-subdued); margin-bottom: .4rem; }
.film-row { display: flex; gap: 4px; align-items: center; margin-bottom: 4px; }
.film-row span { flex: none; width: 4.6rem; font-size: .82rem; color: var(--body-text-color-subdued); }
.film-row img { flex: 1 1 56px; min-width: 56px; max-width: 96px; height: auto; border-radius: 4px; margin: 0; }
.verdicts { list-style: none; padding: 0; margin: 0; display: grid; gap: .4rem; }
.verdicts li { display: flex; gap: .6rem; align-items: baseline; margin: 0; line-height: 1.45; }
.verdicts .mark { flex: none; font-weight: 700; border-radius: 999px; padding: .05rem .65rem; font-size: .84rem;
  border: 1px solid currentColor; }
.mark.reached { color: #237a39; } .mark.not-yet { color: #b3430c; } .mark.unclear { color: #5b6472; }
.dark .mark.reached { color: #7fd394; } .dark .mark.not-yet { color: #ffa87d; } .dark .mark.unclear { color: #b7bfcb; }
.settings summary { cursor: pointer; padding: .3rem 0; } table.settings-table td { white-space: normal; text-align: left; }
table.settings-table th:first-child { min-width: 11rem; vertical-align: top; }
.log { max-height: 20rem; overflow: auto; } .log table :is(th, td):nth-child(-n+2) { text-align: left; }
.log table th:first-child { min-width: 0; }
.scroll, .film-rows { contain: inline-size; overflow-x: auto; } .measures { border-collapse: collapse; width: 100%; font-size: .88rem; margin: 0; }
.measures th, .measures td { padding: .4rem .6rem; text-align: right; border: 0;
  border-bottom: 1px solid var(--border-color-primary); white-space: nowrap; }
.measures th:first-child { text-align: left; white-space: normal; min-width: 9rem; font-weight: inherit; }
.measures, .measures tr, .measures thead { border: 0 !important; background: transparent !important; }
.measures abbr { text-decoration: underline dotted; text-underline-offset: 3px; cursor: help; }
.scroll { background: linear-gradient(to right, var(--edge) 30%, transparent) 0 0 / 24px 100% no-repeat local,
  linear-gradient(to left, var(--edge) 30%, transparent) 100% 0 / 24px 100% no-repeat local,
  linear-gradient(to right, #0003, transparent) 0 0 / 10px 100% no-repeat scroll,
  linear-gradient(to left, #0003, transparent) 100% 0 / 10px 100% no-repeat scroll; --edge: var(--body-background-fill); }
.block .block .scroll { --edge: var(--block-background-fill); }
.measures small { color: var(--body-text-color-subdued); }
.measures tr.mean { font-weight: 600; }
.select-all-checkbox { border: 1px solid var(--body-text-color-subdued) !important; }
.low { align-self: flex-end; }
#advanced label:not(:has([type=radio])) { height: 100%; display: flex; flex-direction: column; }
#advanced label:not(:has([type=radio])) > :last-child { margin-top: auto; }
.pairs { display: grid; gap: 10px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 250px), 1fr)); }
.more-pairs { margin-top: 10px; }
.more-pairs summary { cursor: pointer; padding: 8px 0; }
.pairs.bars-2 { grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); }
.pairs.bars-3 { grid-template-columns: repeat(auto-fill, minmax(min(100%, 400px), 1fr)); }
.pair { display: grid; align-content: start; font-weight: 400; width: 100%; padding: 6px; border-radius: 8px;
  border: 1px solid var(--border-color-primary); background: var(--background-fill-primary); cursor: zoom-in;
  text-align: left; }
.pair:hover { border-color: var(--primary-400); }
.pair .sides, .pair .caption { display: grid; grid-template-columns: 1fr 1fr; gap: 6px; }
.pair img { width: 100%; height: auto; margin: 0; border-radius: 4px; }
.pair .caption { font-size: .78rem; color: var(--body-text-color-subdued); margin-top: 4px; line-height: 1.3; }
dialog.enlarged { margin: auto !important; border: 0; border-radius: 12px; padding: 14px; width: min(1100px, 96vw);
  max-height: 96vh;
  background: var(--background-fill-primary); color: var(--body-text-color); }
dialog.enlarged::backdrop { background: #000a; }
dialog.enlarged .pair { border: 0; cursor: zoom-out; } dialog.enlarged .caption { font-size: 1rem; }
.pair .side { display: none; } dialog.enlarged .pair .side { display: inline; font-weight: 600; }
.kept { margin: .6rem 0 0; font-size: .92rem; }
:focus-visible { outline: 3px solid var(--primary-400) !important; outline-offset: 1px; }
footer { opacity: .75; }
.runs { list-style: none; padding: 0; margin: 0; display: grid; gap: .5rem; }
.runs li { margin: 0; } .runs a { display: grid; gap: .15rem .8rem; grid-template-columns: auto 1fr; padding: .7rem .9rem;
  justify-items: start; text-align: left;
  border: 1px solid var(--border-color-primary); border-radius: 8px; background: var(--background-fill-primary);
  color: var(--body-text-color) !important; text-decoration: none !important; }
.runs a:hover { border-color: var(--primary-400); } .runs a > :nth-child(n+3) { grid-column: 1 / -1; }
.runs .state { color: var(--body-text-color-subdued); } .runs .state.failed { color: #c92a2a; font-weight: 600; }
.runs small { color: var(--body-text-color-subdued); } .dark .runs .state.failed { color: #ff9c9c; }
@media (max-width: 760px) { #steps { display: block; } }
@media (max-width: 640px) {
  .film-row span { width: 3.4rem; }
  #slider .slider-wrap .wrap { aspect-ratio: 1; } #slider .content img { height: 100%; }
  .measures.stack thead { position: absolute; clip-path: inset(50%); }
  .measures.stack tr { display: grid; grid-template-columns: repeat(3, 1fr); padding: .3rem 0;
    border-bottom: 1px solid var(--border-color-primary) !important; }
  .measures.stack :is(th, td) { border: 0; text-align: left; white-space: normal; padding: .25rem .2rem; }
  .measures.stack th { grid-column: 1 / -1; }
  .measures.stack td::before { content: attr(data-label); display: block; font-size: .78rem; font-weight: 400;
    color: var(--body-text-color-subdued); }
}
@media (prefers-reduced-motion: reduce) { .bar div { transition: none; } }
"""

# A message at the top of the page is of no use to someone who pressed a button further down.
SHOW_BANNER = "setTimeout(() => document.querySelector('#banner .alert')?.scrollIntoView({block: 'nearest'}), 200);"

# The job's id in the address: a refresh, a bookmark or a second tab finds the job again.
REMEMBER_JOB = """(id) => {
  """ + SHOW_BANNER + """
  const url = new URL(window.location.href);
  if (id) url.searchParams.set('job', id); else url.searchParams.delete('job');
  window.history.replaceState({}, '', url);
}"""

# A pair of pictures pressed: shown large until pressed again, or Escape.
ENLARGE = """element.addEventListener('click', (event) => {
  const pair = event.target.closest('.pair');
  if (!pair) return;
  const dialog = document.createElement('dialog');
  dialog.className = 'enlarged';
  dialog.append(pair.cloneNode(true));
  dialog.addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', () => dialog.remove());
  element.append(dialog);
  dialog.showModal();
});"""

# A link within the page, without a trace in the address that holds the job.
GO_TO_STEP = """element.addEventListener('click', (event) => {
  if (!event.target.hash) return;
  event.preventDefault();
  document.querySelector(event.target.hash).scrollIntoView();
});"""

# The slider's two pictures have no words of their own: those below it are given to them.
PAIR_ALT = """const tell = () => document.querySelectorAll('#slider img').forEach((image, side) => {
  image.alt = (side ? 'Debiased. ' : 'Original. ') + element.innerText;
});
for (const changing of [element, document.querySelector('#slider')])
  new MutationObserver(tell).observe(changing, {childList: true, subtree: true, characterData: true});
tell();"""

SAVE_FILE = """(text) => {
  """ + SHOW_BANNER + """
  if (!text) return;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], {type: 'application/yaml'}));
  link.download = 'finetune-settings.yaml';
  link.click();
  URL.revokeObjectURL(link.href);
}"""

# Into the address first: where the clipboard is refused, the address can still be copied by hand.
COPY_LINK = """async (token) => {
  """ + SHOW_BANNER + """
  if (!token) return;
  const url = new URL(window.location.href);
  url.searchParams.delete('job');
  url.searchParams.set('settings', token);
  window.history.replaceState({}, '', url);
  const note = document.querySelector('#loaded-note .note');
  try {
    await navigator.clipboard.writeText(url.href);
    note.textContent = 'Link copied: it opens this page with these settings.';
  } catch {
    note.textContent = 'Copy the link from the address bar: it opens this page with these settings.';
  }
}"""
