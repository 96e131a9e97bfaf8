"""check: what a finetune should have left alone, the page's "Must not move" in a terminal."""

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from fairness_core.commands.common import DONE, INTERRUPTED, loaded, ready_folder, stoppable
from fairness_core.commands.evaluate import measure, what_to_measure
from fairness_core.files import write_atomically
from fairness_core.metrics.must_not_move import Moved, Proportion, load_panel, what_moved
from fairness_core.report import markdown_table
from fairness_core.report.table import figure_text
from fairness_core.strict_json import to_json

HEADER = ("Prompt", "Agree before", "Agree after", "Lost", "Won", "p", "CLIP-I", "Told")


def run(options: Namespace) -> int:
    config, adapter = what_to_measure(options)
    panel = load_panel()
    if options.out:
        ready_folder(options.out.parent)
    model = loaded(config.model, options.memory)
    with stoppable("after this prompt; what was measured is kept.") as should_stop:
        comparisons = measure(model, config, [entry.prompt for entry in panel], options, adapter, should_stop)
        stopped = should_stop()
    results = what_moved(comparisons, panel)
    print(markdown_table(HEADER, list(map(cells, results))))
    if options.out:
        write_atomically(options.out, lambda path: write(path, results))
        print(f"wrote {options.out}")
    return INTERRUPTED if stopped else DONE


def cells(result: Moved) -> list[str]:
    return [result.prompt, share_text(result.agreement_before), share_text(result.agreement_after), str(result.lost),
            str(result.gained), figure_text(result.p_value), figure_text(result.clip_image),
            "not painted before either" if result.status == "absent" else result.status]


def share_text(share: Proportion) -> str:
    return "no face" if share.frequency is None else f"{share.count}/{share.n} [{share.low:.2f}, {share.high:.2f}]"


def write(path: Path, results: list[Moved]) -> None:
    path.write_text(to_json([asdict(result) for result in results], indent=1), encoding="utf-8")
