"""Files of labels, as annotation tools export them, become shapes.

Each reader takes a path and returns what is labeled, image by image. What none of them
takes for pixels (points, open lines, compressed runs) is refused by name.
"""

import contextlib
import pathlib
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from cadnet_jax.datasets.label_import.shapes import (
    LabeledImage,
    Points,
    Shape,
    box,
    ellipse,
)
from cadnet_jax.datasets.preparation import list_visible
from cadnet_jax.datasets.xml_files import read_xml
from cadnet_jax.files.text import read_object, read_text

_MOST_BYTES = 2**28  # of a file of labels
_REMEDY = 'Export the labels again.'


class Labels(NamedTuple):
    """What a tool exported.

    Attributes:
        classes: names, in the tool's order.
        images: what is labeled, image by image.
    """

    classes: list[str]
    images: list[LabeledImage]


def collect(classes: list[str], images: list[LabeledImage]) -> Labels:
    """Labels with the classes that are stated, and those that the shapes have.

    Raises:
        ValueError: an image is labeled twice.
    """
    twice = [name for name, n in Counter(i.name for i in images).items() if n > 1]
    if twice:
        raise ValueError(f'{twice[0]}: labeled twice; keep one of the two.')
    named = [shape.name for image in images for shape in image.shapes]
    return Labels(list(dict.fromkeys([*classes, *named])), images)


def read_voc(path: pathlib.Path) -> Labels:
    """Pascal VOC: a folder with an XML file for each image.

    Corners count from 1, and both are inside the box.
    """
    return collect([], [_voc_image(file, path) for file in _files(path, '.xml')])


def read_yolo(path: pathlib.Path) -> Labels:
    """YOLO: a folder with a text file for each image, and names in classes.txt.

    A line is `class x y width height`, of a box around (x, y), or `class` and the
    corners of a polygon, all as shares of the image's width and height.
    """
    names_file = next(
        (p for p in (path / 'classes.txt', path.parent / 'classes.txt') if p.is_file()),
        None,
    )
    if names_file is None:
        raise ValueError(
            f'{path}: no classes.txt in it or beside it; write one, with the name of a '
            'class in each line, in the order of their numbers.'
        )
    names = [
        name.strip() for name in read_text(names_file).splitlines() if name.strip()
    ]
    files = [file for file in _files(path, '.txt') if file.name != names_file.name]
    if not files:
        raise ValueError(f'{path}: no *.txt files of labels in it; check the path.')
    images = [
        LabeledImage(
            file.relative_to(path).with_suffix('').as_posix(),
            [
                _yolo_shape(line.split(), names, f'{file}, line {number}')
                for number, line in enumerate(read_text(file).splitlines(), 1)
                if line.strip()
            ],
            relative=True,
        )
        for file in files
    ]
    return collect(names, images)


def read_coco(path: pathlib.Path) -> Labels:
    """COCO: one JSON file with `images`, `annotations` and `categories`.

    Polygons are taken where an annotation has them, otherwise its box.
    """
    content = read_object(path, remedy=_REMEDY)
    with _naming(path):
        # As they are after two exports were joined: shapes would go to one of the two.
        for kind in ('images', 'categories'):
            _refuse_repeated((entry['id'] for entry in content[kind]), kind, path)
        names = {c['id']: str(c['name']) for c in content['categories']}
        shapes: dict[Any, list[Shape]] = defaultdict(list)
        for number, annotation in enumerate(content['annotations']):
            name = names[annotation['category_id']]
            where = f'{path}, annotation {annotation.get("id", number)}'
            shapes[annotation['image_id']] += _coco_shapes(annotation, name, where)
        images = [
            LabeledImage(
                str(image['file_name']),
                shapes.pop(image['id'], []),
                (int(image['width']), int(image['height'])),
            )
            for image in content['images']
        ]
    if shapes:
        raise ValueError(
            f'{path}: annotations of the image {next(iter(shapes))!r}, which is not '
            f'among its images. {_REMEDY}'
        )
    return collect(list(names.values()), images)


def read_labelme(path: pathlib.Path) -> Labels:
    """labelme: a folder with a JSON file for each image."""
    images = []
    for file in _files(path, '.json'):
        content = read_object(file, remedy=_REMEDY)
        with _naming(file):
            folder = file.parent.relative_to(path)
            name = pathlib.PureWindowsPath(content['imagePath']).name
            size = content.get('imageWidth'), content.get('imageHeight')
            images.append(
                LabeledImage(
                    (folder / name).as_posix(),
                    [_labelme_shape(shape, file) for shape in content['shapes']],
                    (int(size[0]), int(size[1])) if size[0] and size[1] else None,
                )
            )
    return collect([], images)


def read_cvat(path: pathlib.Path) -> Labels:
    """CVAT: the XML file of 'CVAT for images 1.1'."""
    root = read_xml(path, root='annotations', most_bytes=_MOST_BYTES)
    if root.find('image') is None or root.find('track') is not None:
        raise ValueError(
            f"{path}: has tracks or no <image>; export as 'CVAT for images 1.1'."
        )
    names = [str(e.findtext('name')).strip() for e in root.findall('.//labels/label')]
    images = []
    for element in root.findall('image'):
        with _naming(path):
            images.append(
                LabeledImage(
                    element.attrib['name'],
                    list(_cvat_shapes(element, path)),
                    (int(element.attrib['width']), int(element.attrib['height'])),
                )
            )
    return collect(names, images)


READERS: dict[str, Callable[[pathlib.Path], Labels]] = {
    'voc': read_voc,
    'yolo': read_yolo,
    'coco': read_coco,
    'labelme': read_labelme,
    'cvat': read_cvat,
}


@contextlib.contextmanager
def _naming(path: pathlib.Path) -> Iterator[None]:
    """Turns what a file of another form raises into a line that names the file."""
    try:
        yield
    except KeyError as error:
        raise ValueError(f'{path}: lacks {error}. {_REMEDY}') from None
    except (TypeError, IndexError, AttributeError) as error:
        raise ValueError(
            f'{path}: not in the expected form ({error}). {_REMEDY}'
        ) from None


def _refuse_repeated(ids: Iterable[Any], kind: str, path: pathlib.Path) -> None:
    repeated = [id for id, n in Counter(ids).items() if n > 1]
    if repeated:
        raise ValueError(
            f'{path}: the id {repeated[0]!r} appears twice in {kind}; give each its '
            'own, or import the exports one by one.'
        )


def _corners(values: Any, where: str) -> Points:
    """Corners (x, y), [N, 2], from a list of them, or of their coordinates."""
    try:
        corners = np.array(values, np.float64)
        corners = corners.reshape(-1, 2) if corners.ndim == 1 else corners
    except (TypeError, ValueError):
        corners = np.empty(0)
    if corners.shape[1:] != (2,):
        raise ValueError(f'{where}: corners that are not pairs of numbers. {_REMEDY}')
    return corners


def _files(path: pathlib.Path, suffix: str) -> list[pathlib.Path]:
    """The visible files of a kind in a folder, at any depth."""
    if not path.is_dir():
        raise ValueError(f'{path}: no such folder; check --labels.')
    found: list[pathlib.Path] = []
    for entry in list_visible(path):
        if entry.is_dir():
            found += (f for f in sorted(entry.rglob(f'*{suffix}')) if f.name[0] != '.')
        elif entry.suffix.lower() == suffix:
            found.append(entry)
    if not found:
        raise ValueError(f'{path}: no *{suffix} files of labels in it; check --labels.')
    return found


def _voc_image(file: pathlib.Path, path: pathlib.Path) -> LabeledImage:
    root = read_xml(file, root='annotation', most_bytes=_MOST_BYTES)
    size = root.find('size')
    width, height = (
        (0, 0)
        if size is None
        else (int(_number(size, 'width', file)), int(_number(size, 'height', file)))
    )
    shapes = []
    for element in root.iter('object'):
        corners = element.find('bndbox')
        if corners is None:
            raise ValueError(f'{file}: an <object> has no <bndbox>. {_REMEDY}')
        x_min, y_min, x_max, y_max = (
            _number(corners, side, file) for side in ('xmin', 'ymin', 'xmax', 'ymax')
        )
        name = (element.findtext('name') or '').strip()
        shapes.append(box(name, x_min - 1, y_min - 1, x_max, y_max))
    stated = pathlib.PureWindowsPath((root.findtext('filename') or file.stem).strip())
    # A path of the machine where it was labeled says nothing about this one.
    below = stated.name if stated.anchor else stated.as_posix()
    name = (file.parent.relative_to(path) / below).as_posix()
    return LabeledImage(name, shapes, (width, height) if width and height else None)


def _number(element: ET.Element, name: str, path: pathlib.Path) -> float:
    text = (element.findtext(name) or '').strip()
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            f'{path}: <{name}> in <{element.tag}> is {text[:40]!r}, not a number. '
            f'{_REMEDY}'
        ) from None


def _yolo_shape(fields: list[str], names: list[str], where: str) -> Shape:
    try:
        number, values = int(fields[0]), [float(field) for field in fields[1:]]
        name = names[number] if number >= 0 else ''
    except (ValueError, IndexError):
        name, values = '', []
    if not name or not (len(values) == 4 or (len(values) >= 6 and not len(values) % 2)):
        raise ValueError(
            f'{where}: not the number of a class in classes.txt with a box or a '
            f'polygon. {_REMEDY}'
        )
    if len(values) == 4:
        x, y, width, height = values
        return box(name, x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return Shape(name, _corners(values, where))


def _coco_shapes(annotation: dict[str, Any], name: str, where: str) -> Iterator[Shape]:
    segmentation = annotation.get('segmentation')
    if isinstance(segmentation, dict):
        raise ValueError(
            f'{where}: a mask in run lengths; export polygons, or masks as PNG.'
        )
    if segmentation:
        for corners in segmentation:
            yield Shape(name, _corners(corners, where))
    else:
        x, y, width, height = annotation['bbox']
        yield box(name, x, y, x + width, y + height)


def _labelme_shape(shape: dict[str, Any], file: pathlib.Path) -> Shape:
    name, kind = str(shape['label']), shape.get('shape_type') or 'polygon'
    points = _corners(shape['points'], f'{file}: {name!r}')
    if kind == 'polygon':
        return Shape(name, points)
    if kind == 'rectangle':
        return Shape(name, points, is_box=True)
    if kind == 'circle':
        return ellipse(name, points[0], [float(np.hypot(*(points[1] - points[0])))] * 2)
    raise ValueError(
        f'{file}: {name!r} is drawn as {kind!r}; draw a polygon, rectangle or circle.'
    )


def _cvat_shapes(image: ET.Element, path: pathlib.Path) -> Iterator[Shape]:
    where = f'{path}: {image.attrib["name"]}'
    for element in image:
        value = element.attrib
        rotation = float(value.get('rotation', 0))
        if element.tag == 'box':
            if rotation % 180:
                raise ValueError(
                    f'{where} has a box that is turned by {rotation:g} degrees; draw a '
                    'polygon.'
                )
            sides = (float(value[side]) for side in ('xtl', 'ytl', 'xbr', 'ybr'))
            yield box(value['label'], *sides)
        elif element.tag == 'polygon':
            corners = [pair.split(',') for pair in value['points'].split(';')]
            yield Shape(value['label'], _corners(corners, where))
        elif element.tag == 'ellipse':
            center = float(value['cx']), float(value['cy'])
            radii = float(value['rx']), float(value['ry'])
            yield ellipse(value['label'], center, radii, rotation=rotation)
        elif element.tag != 'tag':
            raise ValueError(
                f'{where} has a <{element.tag}>; draw polygons, boxes or ellipses, or '
                'export masks as PNG.'
            )
