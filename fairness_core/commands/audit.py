"""audit: pictures made elsewhere, judged against a target: JSON, CSV and an HTML report."""

import sys
from argparse import Namespace
from datetime import datetime

from fairness_core.about import About, machine
from fairness_core.commands.common import DONE, INTERRUPTED, ready_folder, stoppable
from fairness_core.files import write_atomically
from fairness_core.pictures.judged import Judged, Progress, sentence_of, warning_of
from fairness_core.pictures.judges import load_judge
from fairness_core.pictures.judging import judge_pictures
from fairness_core.report import markdown_table
from fairness_core.report.judged import (check_target, judged_record, judged_table, judged_verdicts, printed,
                                         report_texts)
from fairness_core.settings.attributes import TargetDistribution, load_attributes, parity
from fairness_core.settings.config import ConfigError
from fairness_core.settings.validation import parse_yaml
from fairness_core.strict_json import to_json


def run(options: Namespace) -> int:
    target = target_of(options.target)
    ready_folder(options.out)
    judge = load_judge(options.judge)
    print(f"judged by: {judge.entry.label}", flush=True)
    with stoppable("after this picture; what was judged is kept.") as should_stop:
        for told in judge_pictures(options.pictures, judge, options.faces, options.prompts_from, should_stop):
            match told:
                case Progress():
                    print(f"{told.done}/{told.total} pictures", flush=True)
                case Judged():
                    tell(told, target, options)
        return INTERRUPTED if should_stop() else DONE


def target_of(words: list[str]) -> TargetDistribution:
    """ "gender" (equal shares) or "age={young: 0.75, old: 0.25}", one an attribute. Raises ConfigError or TargetError."""
    marginals = {}
    for word in words:
        name, equals, ratios = word.partition("=")
        if equals:
            marginals[name] = parse_yaml(ratios, f"The target of {name} cannot be read")
        else:
            if name not in load_attributes():
                raise ConfigError(f"Unknown attribute {name!r}: choose among {', '.join(load_attributes())}.")
            marginals[name] = dict(zip(load_attributes()[name].class_names, parity(name).joint.tolist()))
    return TargetDistribution.from_marginals(marginals)


def tell(judged: Judged, target: TargetDistribution, options: Namespace) -> None:
    """Prints the figures and writes the files."""
    check_target(judged, target)
    for one in judged.skipped:
        print(f"left out {one.name}: {one.why}", file=sys.stderr)
    print(sentence_of(judged) + ".")
    print(markdown_table(*printed(judged_table(judged, target))))
    for name, verdict in judged_verdicts(judged, target).items():
        print(f"{name}: {verdict.sentence}")
    if warning := warning_of(judged):
        print(f"WARNING: {warning}", file=sys.stderr)
    about = About(f"Audit of {judged.pictures} pictures", machine=machine(),
                  date=datetime.now().astimezone().isoformat(timespec="seconds"))
    texts = report_texts(judged, target, about)
    texts["audit.json"] = to_json(judged_record(judged, target, options.tolerance), indent=1)
    for name, text in texts.items():
        write_atomically(options.out / name, lambda part: part.write_text(text, encoding="utf-8"))
        print(f"wrote {options.out / name}")
