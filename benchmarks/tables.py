"""Records chosen by their values, and the lines of Markdown tables."""

from typing import Any

from recording import Record

__all__ = ["by_method", "distinct", "select", "table"]


def by_method(records: list[Record]) -> dict[str, list[Record]]:
    """Return the records of each method, one for each seed."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record["method"], []).append(record)
    return groups


def distinct(records: list[Record], key: str) -> list[Any]:
    """Return the values that records have under a key, each once, in their order."""
    values: list[Any] = []
    for record in records:
        if record[key] not in values:
            values.append(record[key])
    return values


def select(records: list[Record], **wanted: Any) -> list[Record]:
    """Return the records that have the wanted values."""
    return [
        record
        for record in records
        if all(record[key] == value for key, value in wanted.items())
    ]


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]
