"""report: a run's HTML, CSV and JSON; of several runs, the tables of the paper as well."""

import re
from argparse import Namespace

from fairness_core.commands.common import DONE, ready_folder
from fairness_core.files import write_atomically
from fairness_core.runs import RunFolder, write_report
from fairness_core.runs.paper_tables import paper_tables, read_evaluation, tables_csv, tables_markdown


def run(options: Namespace) -> int:
    folders = [RunFolder(path) for path in options.run]
    elsewhere = options.out if len(folders) == 1 else None  # a run alone, be it one that ships with the app, may stay as it is
    if elsewhere:
        ready_folder(elsewhere)
    for folder in folders:
        for path in write_report(folder, elsewhere):
            print(f"wrote {path}")
    if any(folder.comparisons.exists() for folder in folders):
        tables = paper_tables([read_evaluation(folder) for folder in folders])
        texts = {"tables.md": tables_markdown(tables)}
        texts |= {f"table-{re.sub('[^a-z]+', '-', title.lower())}.csv": text
                  for title, text in tables_csv(tables).items()}
        out = options.out or options.run[0]
        ready_folder(out)
        for name, text in texts.items():
            write_atomically(out / name, lambda part: part.write_text(text, encoding="utf-8"))
            print(f"wrote {out / name}")
    return DONE
