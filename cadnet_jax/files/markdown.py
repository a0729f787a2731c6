"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def markdown_table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, a line for each row under the names of the columns.

    Cells are written as they are: what Markdown would take for its own must have been
    escaped.
    """
    lines = [names, ['---'] * len(names), *rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
