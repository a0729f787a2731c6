"""What a TIFF file says about its pixels: the tags of its first directory, TIFF 6.0."""

import os
from typing import BinaryIO, Literal, NamedTuple

SIGNATURES = (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')

_WIDTH, _HEIGHT = 256, 257
_BITS, _PHOTOMETRIC, _SAMPLES, _PLANAR, _EXTRA, _FORMAT = 258, 262, 277, 284, 338, 339
_NUM_BYTES = {3: 2, 4: 4}  # of the types of values that are read
_MOST_TAGS = 4096
_SEPARATE = 2  # planes, one a band
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_UNUSED = 65_000  # of the numbers that are free to use
_COLOR_SPACES = {0: 'gray', 1: 'gray', 2: 'RGB', 3: 'palette', 6: 'YCbCr'}
_OTHER_SPACES = {4: 'a transparency mask', 5: 'CMYK', 8: 'CIELab', 9: 'ICCLab'}
_READ_BITS = (1, 8, 16)
_OTHER_NUMBERS = 32  # bits from which the type of the numbers says why not
_REAL, _COMPLEX = 3, (5, 6)  # numbers, as their tag has it


class _Tag(NamedTuple):
    """First value of a tag, and where in the file the value and the entry are."""

    value: int
    position: int
    entry: int


class FileBytes:
    """The bytes of an open file, each read when it is asked for: tags, not pixels."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._length = file.seek(0, os.SEEK_END)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._length)
        self._file.seek(start)
        return self._file.read(max(0, stop - start))


def is_tiff(data: bytes | FileBytes) -> bool:
    """Whether `data` is a TIFF file."""
    return data[:4] in SIGNATURES


def kind_fault(data: bytes) -> str | None:
    """Why a TIFF file of this kind is not read, with the remedy; None: it is."""
    tags = _read_tags(data)
    bands, bits = _value(tags, _SAMPLES, 1), _value(tags, _BITS, 1)
    space = _value(tags, _PHOTOMETRIC, 1)
    if space not in _COLOR_SPACES:
        name = _OTHER_SPACES.get(space, f'the color space {space}')
        return f'{name}; convert the file to RGB'
    if bands > 4:
        return f'{bands} bands; export three of them'
    if bands > 2 and space == _WHITE_IS_ZERO:
        return f'{bands} bands in which white is 0; export the file as RGB'
    if bits not in _READ_BITS and bits < _OTHER_NUMBERS:
        return f'{bits} bits a sample; export the file with 8 or 16'
    numbers = _value(tags, _FORMAT, 1)
    if numbers in _COMPLEX or (numbers == _REAL and bits == 16):
        return (
            f'real or complex numbers of {bits} bits; export whole numbers of 8 or 16'
        )
    if bits == 16 and bands == 2:
        return '16 bits with transparency; export the file without it'
    if bits == 16 and bands > 1 and _value(tags, _PLANAR, 1) == _SEPARATE:
        return '16 bits in separate planes; export the file with interleaved channels'
    return None


def num_pixels(data: bytes) -> int:
    """Width times height, as a TIFF file claims them."""
    tags = _read_tags(data)
    return _value(tags, _WIDTH, 0) * _value(tags, _HEIGHT, 0)


def has_16_bits(data: bytes) -> bool:
    """Whether a TIFF file has 16 bits a sample."""
    return _value(_read_tags(data), _BITS, 1) == 16


def num_bands(data: bytes | FileBytes) -> int:
    """Bands of a TIFF file, transparency among them."""
    return _value(_read_tags(data), _SAMPLES, 1)


def is_inverted(data: bytes) -> bool:
    """Whether white is 0 in a TIFF file."""
    return _value(_read_tags(data), _PHOTOMETRIC, 1) == _WHITE_IS_ZERO


def with_plain_bands(data: bytes) -> bytes:
    """A TIFF file whose first three bands are its colors.

    libtiff multiplies colors by what is tagged as unassociated alpha, as GDAL tags any
    fourth band, such as near infrared. Of three bands that are called gray with extra
    samples, as GDAL calls those of a satellite, it takes the first alone. The tags are
    changed in `data`.
    """
    tags, changed = _read_tags(data), bytearray(data)
    if _value(tags, _SAMPLES, 1) < 3:
        return data
    order = _byte_order(data)
    if _EXTRA in tags:
        entry = tags[_EXTRA].entry
        changed[entry : entry + 2] = _UNUSED.to_bytes(2, order)
    if _value(tags, _PHOTOMETRIC, _RGB) == _BLACK_IS_ZERO:
        position = tags[_PHOTOMETRIC].position
        changed[position : position + 2] = _RGB.to_bytes(2, order)
    return bytes(changed)


def _byte_order(data: bytes | FileBytes) -> Literal['little', 'big']:
    return 'little' if data[:1] == b'I' else 'big'


def _read_tags(data: bytes | FileBytes) -> dict[int, _Tag]:
    """The tags of 16 and 32-bit numbers in the first directory; {} if it is cut off."""
    order = _byte_order(data)

    def number(start: int, length: int) -> int:
        return int.from_bytes(data[start : start + length], order)

    is_big = number(2, 2) == 43
    start = number(8, 8) if is_big else number(4, 4)
    # Bytes of the number of entries, of an entry, of a count and an offset, and of what
    # is ahead of an entry's value.
    entries, size, width, ahead = (8, 20, 8, 12) if is_big else (2, 12, 4, 8)
    tags = {}
    for index in range(min(number(start, entries), _MOST_TAGS)):
        entry = start + entries + index * size
        if size_of_one := _NUM_BYTES.get(number(entry + 2, 2)):
            position = entry + ahead
            if size_of_one * number(entry + 4, width) > width:  # they are elsewhere
                position = number(position, width)
            if position + size_of_one <= len(data):
                value = number(position, size_of_one)
                tags[number(entry, 2)] = _Tag(value, position, entry)
    return tags


def _value(tags: dict[int, _Tag], tag: int, default: int) -> int:
    return tags[tag].value if tag in tags else default
