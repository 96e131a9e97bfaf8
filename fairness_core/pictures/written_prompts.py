"""The prompt that a program wrote into its picture: AUTOMATIC1111's parameters, ComfyUI's graph."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

A1111, COMFY = ("parameters", "UserComment"), "prompt"
ENDS = re.compile(r"Negative prompt:|Steps: \d+, ")  # begins the line after AUTOMATIC1111's prompt
TEXTS = ("text", "text_g", "text_l", "clip_l", "t5xxl", "string", "value", "prompt", "populated_text")
# ComfyUI's inputs through which a sampler's prompt may come, from whatever nodes are in between
PASSES = ("conditioning", "conditioning_1", "conditioning_2", "conditioning_to", "conditioning_from", "positive", "guider",
          "cond", "cond1", "string_a", "string_b", "any")
MOST_NODES = 2000


def written_prompt(text: Mapping[str, str]) -> str:
    """The prompt in a picture's text, in one line; "" where there is none, or none that can be told.

    text: as of `Picture`. AUTOMATIC1111 (and Forge, SD.Next) write the prompt, then "Negative prompt:", then settings, as
    "parameters" or in the EXIF comment. ComfyUI writes its graph as JSON: the text that a sampler's "positive" leads to.
    """
    for name in A1111:
        if name in text and (found := before_settings(text[name])):
            return found
    return from_graph(text.get(COMFY, ""))


def before_settings(parameters: str) -> str:
    """AUTOMATIC1111's text up to the negative prompt or the settings; nothing of a text that has neither."""
    lines = parameters.splitlines()
    end = next((i for i, line in enumerate(lines) if ENDS.match(line)), None)
    return "" if end is None else one_line(" ".join(lines[:end]))


def from_graph(graph: str) -> str:
    """ComfyUI's. Samplers come in the order of the file; the first that leads to a text tells."""
    try:
        nodes = json.loads(graph)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(nodes, dict) or len(nodes) > MOST_NODES:
        return ""
    for name in ("positive", "conditioning"):  # samplers; where they take a guider, what that is given
        for node in nodes.values():
            if is_link(inputs_of(node).get(name)):
                texts = dict.fromkeys(filter(None, map(one_line, texts_behind(nodes, inputs_of(node)[name]))))
                if texts:
                    return ", ".join(texts)
    return ""


def texts_behind(nodes: dict[str, Any], link: list) -> Iterator[str]:
    """The texts that a link leads to, each node looked at once."""
    seen, left = set(), [link]
    while left:
        name = str(left.pop()[0])
        if name in seen:
            continue
        seen.add(name)
        inputs = inputs_of(nodes.get(name))
        own = [inputs[key] for key in TEXTS if isinstance(inputs.get(key), str)]
        yield from own
        onward = PASSES if own else (*TEXTS, *PASSES)
        left += [inputs[key] for key in reversed(onward) if is_link(inputs.get(key))]


def inputs_of(node: Any) -> dict[str, Any]:
    inputs = node.get("inputs") if isinstance(node, dict) else None
    return inputs if isinstance(inputs, dict) else {}


def is_link(value: Any) -> bool:
    """ComfyUI's [node, output]."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int)


def one_line(text: str) -> str:
    return " ".join(text.split())
