"""The look: one calm theme for light and dark, readable from 390 pixels up."""

from pathlib import Path
from typing import Any

import gradio as gr

STATIC = Path(__file__).parent / "static"

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
        link_text_color_dark="*primary_300", link_text_color_hover_dark="*primary_200",
        link_text_color_visited_dark="*primary_300", link_text_color_active_dark="*primary_300",
        layout_gap="12px", block_padding="10px 12px",
        block_shadow="none", block_title_text_weight="600", button_large_text_weight="600",
        button_primary_background_fill="*primary_600", button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600", button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="#ffffff", button_primary_text_color_dark="#ffffff",
    )


# Gradio puts its own class before every rule of css_paths, so that none reaches the page's frame, whose hidden overflow
# would keep Start from staying in sight on a telephone.
FRAME = "<style>@media (max-width: 760px) { .gradio-container { overflow: clip !important; } }</style>"


def look() -> dict[str, Any]:
    """Arguments of Blocks.launch: theme, styles, and the functions that `js` and `js_on_load` of the page call."""
    scripts = [path.read_text(encoding="utf-8") for path in sorted(STATIC.glob("*.js"))]
    return {"theme": theme(), "css_paths": sorted(STATIC.glob("*.css"), reverse=True),  # page.css first: others add to it
            "head": FRAME + "".join(f"<script>{script}</script>" for script in scripts)}
