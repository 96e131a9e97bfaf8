"""A table of the engine's in HTML; a telephone stacks its cells."""

from app.html.fragment import fragment
from app.html.measures import Cell
from fairness_core.report.text_tables import TextTable


def html(title: str, table: TextTable | None, also: str = "") -> str:
    """Title, table and note; that it was not measured, for runs of before. also: a sentence below."""
    rows = [{"label": row.label, "small": row.small,
             "cells": [Cell(column, *cell) for column, cell in zip(table.columns, row.cells, strict=True)]}
            for row in (table.rows if table else ())]
    return fragment("text_table", title=title, columns=(table.first, *table.columns) if table else (), rows=rows,
                    note=table.note if table else "", also=also)
