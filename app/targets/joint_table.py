"""The table of combinations: a share for each pair of classes of two attributes. Pure functions.

A table is rows of percents. The attribute with more classes makes the rows, so that the table is narrow.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from app.html.fragment import fragment
from app.html.fragment import note as small_print
from app.targets.sliders import WHOLE, largest_remainder
from fairness_core.settings.attributes import Attribute, load_attributes
from fairness_core.settings.ratios import TargetError

TENTHS, TOLERANCE = 10, .05
Percents, Table = dict[str, dict[str, float]], Sequence[Sequence[float | None]]


def pair_choices(controlled: Sequence[str]) -> list[tuple[str, str]]:
    """(shown, value) of every pair of controlled attributes: ("Perceived gender × race", "gender x race")."""
    known = load_attributes()
    return [(f"{known[a].label} × {known[b].label.removeprefix('Perceived ')}", f"{a} x {b}")
            for a, b in combinations(controlled, 2)]


def axes(pair: str) -> tuple[Attribute, Attribute]:
    """The attributes of the rows and of the columns."""
    first, second = (load_attributes()[name] for name in pair.split(" x "))
    return (second, first) if len(second.classes) > len(first.classes) else (first, second)


def grid() -> tuple[int, int]:
    """Rows and columns of the largest table there can be."""
    largest, second, *_ = sorted((len(a.classes) for a in load_attributes().values()), reverse=True)
    return largest, second


def from_shares(shares: np.ndarray) -> Table:
    """Non-negative weights [rows, columns] as a table with one decimal that sums to 100 exactly."""
    tenths = np.array(largest_remainder(shares.ravel(), WHOLE * TENTHS)).reshape(shares.shape)
    return (tenths / TENTHS).tolist()


def from_marginals(pair: str, percents: Percents) -> Table:
    """The table of two independent attributes."""
    rows, columns = (np.array([percents[a.name][c] for c in a.class_names], float) for a in axes(pair))
    return from_shares(np.outer(rows, columns))


def read(pair: str, table: Table) -> np.ndarray:
    """Percents [rows, columns]. Raises TargetError that names the cell, or how much is missing."""
    values = cells(pair, table)
    total = values.sum()
    if abs(total - WHOLE) > TOLERANCE:
        gap = f"{abs(total - WHOLE):.4g} % {'are missing' if total < WHOLE else 'are too many'}"
        raise TargetError(f"The combinations sum to {total:.4g} %: {gap}. Change a field, or press “Scale to 100 %”.")
    return values


def cells(pair: str, table: Table) -> np.ndarray:
    """The table as an array, whatever its sum. Raises TargetError for an empty field, or one out of range."""
    rows, columns = axes(pair)
    for row, shares in zip(rows.classes, table, strict=True):
        for column, share in zip(columns.classes, shares, strict=True):
            if share is None or not 0 <= share <= WHOLE:
                typed = "empty" if share is None else f"{share:g} %"
                raise TargetError(f"{row.label}, {column.label} is {typed}: type a share between 0 and 100 %.")
    return np.array(table, float)


def scaled(pair: str, table: Table) -> Table:
    """The same proportions, summing to 100. Raises TargetError for a field that cannot be used."""
    return from_shares(cells(pair, table))


def joint_target(pair: str, table: Table, percents: Percents) -> tuple[tuple[str, ...], list]:
    """Attribute names and the nested joint table of ratios, as a FinetuneConfig takes them.

    Controlled attributes outside the pair are independent of it. Raises TargetError as `read` does.
    """
    joint = read(pair, table)
    names = [a.name for a in axes(pair)]
    for name in percents:
        if name not in names:
            classes = load_attributes()[name].class_names
            joint = np.multiply.outer(joint, [percents[name][c] / WHOLE for c in classes])
            names.append(name)
    return tuple(names), (joint / joint.sum()).tolist()


def in_words(pair: str, table: Table) -> str:
    """The share of each class alone: "Sum 100 %. Female 50 %, Male 50 %; WMELH 25 %, …". Raises TargetError."""
    values = read(pair, table)
    parts = [", ".join(f"{c.label} {share:.4g} %" for c, share in zip(attribute.classes, values.sum(axis=axis)))
             for attribute, axis in zip(axes(pair), (1, 0))]
    return f"Sums to 100 %. Each alone: {'; '.join(parts)}."


def note(pair: str, table: Table) -> str:
    """What the table amounts to, or in red what is wrong with it, as HTML."""
    try:
        return small_print(in_words(pair, table), live=True)
    except TargetError as error:
        return fragment("wrong", text=str(error), role="status")
