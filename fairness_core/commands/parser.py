"""The command line's words. Imports nothing heavy, so that --help answers at once."""

import argparse
from pathlib import Path

COMMANDS = {
    "train": "finetune a model toward a target; Ctrl-C stops after the step and keeps what was learned",
    "evaluate": "measure a model before and after, on fixed noises: JSON, CSV and an HTML report",
    "check": "paint what a finetune must leave alone (named classes, scenes), and tell what moved",
    "audit": "judge pictures made elsewhere (a folder, a zip, files) against a target: JSON, CSV and an HTML report",
    "generate": "paint images, with or without an adapter: PNG files and a contact sheet",
    "report": "write a run's report; of several runs, the tables of the paper as well",
    "convert": "an adapter of others (kohya's, peft's, the paper's) into this app's format, or any into kohya's",
    "models": "what each model needs and whether it is here; downloads one once its licence is accepted",
    "bench": "time finetuning steps and sampling on this machine",
}
CONFIG = "settings: a preset (assets/presets/*.yaml) or a run's config.yaml"


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fairness_core",
                                     description="Finetune text-to-image models toward fairness.")
    commands = parser.add_subparsers(dest="command", required=True)
    parsers = {name: commands.add_parser(name, help=words, description=words) for name, words in COMMANDS.items()}
    add_train(parsers["train"])
    add_evaluate(parsers["evaluate"])
    add_check(parsers["check"])
    add_audit(parsers["audit"])
    add_generate(parsers["generate"])
    report = parsers["report"]
    report.add_argument("--run", type=Path, nargs="+", required=True, help="run folders")
    report.add_argument("--out", type=Path, help="where the tables of several runs go, or all that is written of one (default: the first run)")
    convert = parsers["convert"]
    convert.add_argument("source", type=Path, nargs="+",
                         help="a .safetensors, .pth, .pt or .bin file; or one for each network")
    convert.add_argument("destination", type=Path, help="a new .safetensors file")
    convert.add_argument("--format", choices=("diffusers", "kohya"), default="diffusers", help="of the new file")
    models = parsers["models"]
    models.add_argument("--download", metavar="MODEL", help="a name of the list, or a Hugging Face id (owner/name)")
    models.add_argument("--accept-licence", action="store_true", help="after it was shown without this")
    bench = parsers["bench"]
    add_config(bench, required=True)
    bench.add_argument("--steps", type=count, default=3, help="steps to time after the first (default: 3)")
    return parser


def add_train(train: argparse.ArgumentParser) -> None:
    add_config(train, required=False)
    train.add_argument("--out", type=Path, required=True, help="the run's folder")
    train.add_argument("--resume", action="store_true",
                       help="continue the run in --out, with its own settings unless --config is given")


def add_evaluate(evaluate: argparse.ArgumentParser) -> None:
    add_measured(evaluate)
    evaluate.add_argument("--prompts", type=typed_text, nargs="+", default=["held-out"], metavar="PROMPT",
                          help='trained, held-out, context (roles said in words), context-fr, context-es, all, or '
                               'prompts of your own (default: held-out)')
    evaluate.add_argument("--guidance", type=guidance, nargs="+",
                          help="guidance scales to measure (default: that of the settings)")
    evaluate.add_argument("--baseline", action="store_true",
                          help="also paint what attribute words in the prompt do without any training, at random in the "
                               "target's ratio")
    evaluate.add_argument("--out", type=Path, required=True, help="folder of the results")


def add_check(check: argparse.ArgumentParser) -> None:
    add_measured(check)
    check.add_argument("--out", type=Path, help="a JSON file for the results (default: they are printed only)")


def add_audit(audit: argparse.ArgumentParser) -> None:
    audit.add_argument("pictures", type=Path, nargs="+",
                       help="folders, zips, pictures, and a list of prompts (CSV or JSON with file_name and prompt)")
    audit.add_argument("--target", type=typed_text, nargs="+", default=["gender"], metavar="ATTRIBUTE",
                       help='equal shares of an attribute, or "age={young: 0.75, old: 0.25}" (default: gender)')
    audit.add_argument("--tolerance", type=share, default=0.1, help="the largest distance that passes (default: 0.1)")
    audit.add_argument("--judge", default="built-in", choices=("built-in", "critics", "critics-trained-against"),
                       help="who judges: the built-in classifier knows synthetic faces only; for photographs the critics "
                            "file in the folder that FAIRNESS_CRITICS names (default: built-in)")
    audit.add_argument("--faces", default="largest", choices=("largest", "all"),
                       help="which faces of a picture count (default: largest)")
    audit.add_argument("--prompts-from", default="auto", choices=("auto", "list", "written", "folders", "together"),
                       help="where the prompts come from: auto takes a list, else what AUTOMATIC1111 or ComfyUI wrote in the "
                            "picture, else its folder's name; together: no prompts (default: auto)")
    audit.add_argument("--out", type=Path, required=True, help="folder of the results")


def add_generate(generate: argparse.ArgumentParser) -> None:
    add_source(generate)
    generate.add_argument("--prompt", type=typed_text, nargs="+", required=True, help="what to paint")
    generate.add_argument("--images", type=count, default=8, help="images a prompt (default: 8)")
    generate.add_argument("--out", type=Path, required=True, help="folder of the images")


def add_config(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument("--config", type=Path, required=required, help=CONFIG)
    parser.add_argument("--set", type=typed_text, nargs="+", default=[], metavar="NAME=VALUE",
                        help="settings to change: learning_rate=0.001 losses.face=0.1")
    parser.add_argument("--memory", nargs="+", default=[], metavar="NAME=VALUE",
                        help="other than what free GPU memory decides: images_at_once=1 gradient_checkpointing=true "
                             "critics_on_cpu=true attention_slicing=true vae_tiling=true")


def add_measured(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    parser.add_argument("--images", type=count, default=16, help="images a prompt (default: 16)")


def add_source(parser: argparse.ArgumentParser) -> None:
    """What paints: a run, or settings and an adapter."""
    add_config(parser, required=False)
    parser.add_argument("--run", type=Path, help="a run's folder: its settings and its adapter")
    parser.add_argument("--adapter", type=Path, help="an adapter's safetensors file (default: the model as it is)")
    parser.add_argument("--strength", type=strength, default=1.0, help="of the adapter, 0 to 1.5 (default: 1)")


def typed_text(text: str) -> str:
    """What was typed as UTF-8, where Python took the terminal for one that knows ASCII only."""
    try:
        return text if text.isascii() else text.encode(errors="surrogateescape").decode()
    except UnicodeError:
        raise argparse.ArgumentTypeError(f"{text!r} is no text in UTF-8") from None


def count(text: str) -> int:
    """At least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def guidance(text: str) -> float:
    return number(text, 1, 100)


def strength(text: str) -> float:
    return number(text, 0, 1.5)


def share(text: str) -> float:
    return number(text, 0.001, 0.999)


def number(text: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
    return value
