"""Claims about CSV files that users write."""

import pathlib

import pytest

from cadnet_jax.files.csv_files import read_rows, write_rows


def test_what_is_written_is_read(tmp_path: pathlib.Path) -> None:
    values = ['a,b', 'a "b"', 'a\nb', 'größe 1', 'a\rb', '']
    path = tmp_path / 'new' / 'values.csv'
    write_rows(path, ('name', 'note'), [(value, 'x') for value in values])
    rows = list(read_rows(path, required=('name',), optional=('note',)))
    assert [row['name'] for _, row in rows] == values
    assert [line for line, _ in rows] == [2, 3, 5, 6, 8, 9]
    assert [file.name for file in path.parent.iterdir()] == ['values.csv']


def test_files_of_spreadsheets_are_read(tmp_path: pathlib.Path) -> None:
    """With a byte order mark, carriage returns, and spaces behind the commas."""
    path = tmp_path / 'values.csv'
    path.write_bytes('\ufeffname, note\r\né, x \r\n'.encode())
    assert list(read_rows(path, required=('name', 'note'))) == [
        (2, {'name': 'é', 'note': 'x'})
    ]


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', "lacks the column 'name'"),
        (b'nam\nx\n', "lacks the column 'name'"),
        (b'name;note\nx;y\n', "lacks the column 'name'; .* by commas"),
        (b'name,note, name\nx,y,z\n', 'names a column twice'),
        (b'name,spilt\nx,y\n', "column 'spilt' is unknown.* name,note"),
        (b'name,note\na,b\nx\n', 'line 3: not as many values'),
        (b'name\nx,y\n', 'line 2: not as many values'),
        (b'name\n\xff\xfe\n', 'not a CSV file in UTF-8'),
        (b'name\n"x\n', 'not a CSV file in UTF-8'),
    ],
)
def test_a_bad_file_is_named_with_the_line(
    data: bytes, message: str, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / 'values.csv'
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message) as error:
        list(read_rows(path, required=('name',), optional=('note',)))
    assert str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'values\.csv: no such CSV file'):
        list(read_rows(tmp_path / 'values.csv', required=('name',)))
