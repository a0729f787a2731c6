"""CSV files that users write: read with the line of each fault, written whole."""

import csv
import io
import pathlib
from collections.abc import Iterable, Iterator, Sequence

from cadnet_jax.files.atomic import write_bytes


def read_rows(
    path: pathlib.Path,
    *,
    required: Sequence[str],
    optional: Sequence[str] = (),
    others: bool = False,
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file in UTF-8 and their line numbers; values are stripped.

    Args:
        path: its first line names the columns.
        required: columns that there must be.
        optional: columns that there may be.
        others: whether there may be any others, too.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no CSV file in UTF-8, lacks a column, has another or has one
            twice, or a row has more or fewer values than there are columns.
    """
    known = (*required, *optional)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such CSV file; check the path.')
    try:
        with path.open(newline='', encoding='utf-8-sig') as file:
            rows = csv.DictReader(file, strict=True)
            columns = [name.strip() for name in rows.fieldnames or ()]
            if missing := [name for name in required if name not in columns]:
                raise ValueError(
                    f'{path}: the first line lacks the column {missing[0]!r}; '
                    f'it must have {",".join(required)}, separated by commas.'
                )
            other = [name for name in columns if name not in known]
            if other and not others:
                raise ValueError(
                    f'{path}: the column {other[0]!r} is unknown; allowed are '
                    f'{",".join(known)}.'
                )
            if len(set(columns)) < len(columns):
                raise ValueError(f'{path}: the first line names a column twice.')
            rows.fieldnames = columns
            for row in rows:
                if None in row or None in row.values():
                    raise ValueError(
                        f'{path}, line {rows.line_num}: not as many values as the '
                        'first line has columns; quote values that have a comma.'
                    )
                yield rows.line_num, {key: row[key].strip() for key in columns}
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f'{path}: not a CSV file in UTF-8 ({error}).') from None


def write_rows(
    path: pathlib.Path, columns: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    """Writes a CSV file in UTF-8, whole or not at all."""
    text = io.StringIO(newline='')
    plain = csv.writer(text, lineterminator='\n')
    all_quoted = csv.writer(text, lineterminator='\n', quoting=csv.QUOTE_ALL)
    for row in (columns, *rows):
        # Python 3.11 and 3.12 write a single carriage return without quotes.
        writer = all_quoted if '\r' in ''.join(row) else plain
        writer.writerow(row)
    write_bytes(path, text.getvalue().encode())
