"""Prompts that AUTOMATIC1111 and ComfyUI write into their pictures."""

import json

import pytest

from fairness_core.pictures.written_prompts import written_prompt

A1111 = """portrait of a nurse,
smiling
Negative prompt: blurry, extra fingers
Steps: 20, Sampler: DPM++ 2M, CFG scale: 7, Seed: 1, Size: 512x512, Model: sd15"""


def node(kind: str, **inputs) -> dict:
    return {"class_type": kind, "inputs": inputs}


SIMPLE = {"3": node("KSampler", model=["4", 0], positive=["6", 0], negative=["7", 0], latent_image=["5", 0]),
          "6": node("CLIPTextEncode", text="a judge", clip=["4", 1]), "7": node("CLIPTextEncode", text="blurry", clip=["4", 1])}
LINKED = SIMPLE | {"6": node("CLIPTextEncode", text=["9", 0]), "9": node("PrimitiveString", value="a  chef\nat work")}
CONTROLLED = SIMPLE | {"3": node("KSampler", positive=["8", 0], negative=["7", 0]),
                       "8": node("ControlNetApplyAdvanced", positive=["6", 0], negative=["7", 0], image=["2", 0])}
SDXL = {"3": node("KSampler", positive=["6", 0]), "6": node("CLIPTextEncodeSDXL", text_g="a pilot", text_l="a pilot")}
FLUX = {"1": node("SamplerCustomAdvanced", guider=["2", 0]), "2": node("BasicGuider", conditioning=["3", 0]),
        "3": node("FluxGuidance", conditioning=["4", 0]), "4": node("CLIPTextEncode", text="a farmer")}
COMBINED = {"3": node("KSampler", positive=["5", 0]), "5": node("ConditioningCombine", conditioning_1=["6", 0], conditioning_2=["7", 0]),
            "6": node("CLIPTextEncode", text="a poet"), "7": node("CLIPTextEncode", text="in Paris")}


@pytest.mark.parametrize(("text", "prompt"), [
    ({"parameters": A1111}, "portrait of a nurse, smiling"), ({"UserComment": A1111}, "portrait of a nurse, smiling"),
    ({"parameters": "a nurse\nSteps: 20, Sampler: Euler a"}, "a nurse"), ({"parameters": "anything else"}, ""),
    ({"prompt": json.dumps(SIMPLE)}, "a judge"), ({"prompt": json.dumps(LINKED)}, "a chef at work"),
    ({"prompt": json.dumps(CONTROLLED)}, "a judge"), ({"prompt": json.dumps(SDXL)}, "a pilot"),
    ({"prompt": json.dumps(FLUX)}, "a farmer"), ({"prompt": json.dumps(COMBINED)}, "a poet, in Paris"),
    ({"prompt": json.dumps(SIMPLE), "parameters": A1111}, "portrait of a nurse, smiling"), ({}, ""), ({"Title": "x"}, "")])
def test_the_prompt_is_told(text, prompt):
    assert written_prompt(text) == prompt


@pytest.mark.parametrize("graph", [
    "", "no json", "[]", "5", "{", "[" * 100_000, json.dumps({"3": 5}), json.dumps({"3": {"inputs": []}}),
    json.dumps({"3": node("KSampler", positive=["3", 0])}), json.dumps({"3": node("KSampler", positive=["99", 0])}),
    json.dumps({"3": node("KSampler", positive=[["x"], 0])}), json.dumps({"3": node("KSampler", positive="a text")}),
    json.dumps({"3": node("KSampler", positive=["4", 0]), "4": node("A", conditioning=["5", 0]), "5": node("A", conditioning=["4", 0])})])
def test_odd_graphs_tell_no_prompt_and_end(graph):
    assert written_prompt({"prompt": graph}) == ""
