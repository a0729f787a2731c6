"""Boxes out of annotation files in the form of Pascal VOC, in XML.

What is read of a file:

    <annotation>
      <size> <width> <height>             the image's; may be missing
      <object> <name>                     a class
               <bndbox> <xmin> <ymin> <xmax> <ymax>
"""

import pathlib
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from cadnet_jax.datasets.box_masks import Box
from cadnet_jax.datasets.xml_files import read_xml

_MAX_BYTES = 2**20  # a published file has 2 KB
_CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')


def read_boxes(
    path: pathlib.Path, class_names: Sequence[str], *, size: tuple[int, int]
) -> list[Box]:
    """The labeled boxes in `path`.

    Args:
        path: the XML file. Its corners count from 1, and both are inside the box.
        class_names: a name's index is the class id; id 0 is not a defect. Case does not
            matter.
        size: the image's height and width in pixels.

    Returns:
        One box or more.

    Raises:
        ValueError: there is no such file, it is not well-formed or declares entities,
            is of an image of another size, has no box, an unknown class, or a box that
            is empty or leaves the image.
    """
    root = read_xml(path, root='annotation', most_bytes=_MAX_BYTES)
    height, width = size
    if (stated := root.find('size')) is not None:
        of = tuple(_number(stated, side, path) for side in ('width', 'height'))
        if of != (width, height):
            raise ValueError(
                f'{path}: made for an image of {of[0]}x{of[1]} pixels, but its image '
                f'has {width}x{height}'
            )
    boxes = [_read_box(element, path, class_names) for element in root.iter('object')]
    if not boxes:
        raise ValueError(f'{path}: names no <object>')
    for box in boxes:
        if not (
            0 <= box.x_min < box.x_max <= width and 0 <= box.y_min < box.y_max <= height
        ):
            corners = (box.x_min + 1, box.y_min + 1, box.x_max, box.y_max)
            raise ValueError(
                f'{path}: the box {corners} is empty or leaves the {width}x{height} '
                'image'
            )
    return boxes


def _read_box(
    element: ET.Element, path: pathlib.Path, class_names: Sequence[str]
) -> Box:
    name = (element.findtext('name') or '').strip().lower()
    if name not in class_names[1:]:
        raise ValueError(
            f'{path}: unknown class {name[:40]!r}; known: {", ".join(class_names[1:])}'
        )
    corners = element.find('bndbox')
    if corners is None:
        raise ValueError(f'{path}: an <object> has no <bndbox>')
    x_min, y_min, x_max, y_max = (_number(corners, name, path) for name in _CORNERS)
    return Box(x_min - 1, y_min - 1, x_max, y_max, class_names.index(name))


def _number(element: ET.Element, name: str, path: pathlib.Path) -> int:
    text = (element.findtext(name) or '').strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(
            f'{path}: <{name}> in <{element.tag}> is {text[:40]!r}, not a whole number'
        )
    return int(text)
