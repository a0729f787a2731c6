"""Labels of five tools become one mask; what is no pixel label is refused by name."""

import json
import pathlib
from collections.abc import Callable

import numpy as np
import pytest

from cadnet_jax.datasets.label_import import formats, importing
from cadnet_jax.datasets.label_import.shapes import (
    LabeledImage,
    Shape,
    box,
    ellipse,
    paint,
)
from cadnet_jax.datasets.paired_folder.class_map import read_class_map
from cadnet_jax.datasets.paired_folder.options import Options
from cadnet_jax.datasets.paired_folder.source import read_source
from cadnet_jax.files.images import read_image, write_png
from tests.support.tiny_pairs import write_classes, write_images

WIDTH, HEIGHT = 60, 40
# A scratch as a polygon from (10, 5) to (20, 9), a dot in the box (30, 20) to (40, 30).
POLYGON = [[10, 5], [20, 5], [20, 9], [10, 9]]
BOX = (30, 20, 40, 30)
IDS = {'scratch': 1, 'dot': 2}


SCRATCH = np.s_[5:9, 10:20]
DOT = np.s_[23:27, 33:37]  # what differs in the box
AROUND = {1: np.s_[4:10, 9:21], 2: np.s_[22:28, 32:38]}  # and a pixel more


def assert_drawn(mask: np.ndarray, *, filled: bool) -> None:
    """Both defects, those of boxes with their soft edge of a pixel."""
    assert (mask[SCRATCH] == 1).all()
    assert (mask[DOT] == 2).all()
    for value, around in AROUND.items():
        outside = mask.copy()
        outside[around] = 0
        assert value not in outside
    if filled:
        assert np.count_nonzero(mask == 1) == 4 * 10


def images() -> tuple[np.ndarray, np.ndarray]:
    """An image with both defects, and its reference."""
    reference = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    image = reference.copy()
    image[DOT] = 255
    image[SCRATCH] = 200
    return image, reference


@pytest.fixture
def pairs(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder of two pairs, the second of which is good, and one without labels."""
    image, reference = images()
    for folder in ('image', 'reference'):
        (tmp_path / 'pairs' / folder / 'lot').mkdir(parents=True)
        for name in ('bad', 'good', 'new'):
            pixels = image if (folder, name) == ('image', 'bad') else reference
            write_png(tmp_path / 'pairs' / folder / 'lot' / f'{name}.png', pixels)
    return tmp_path / 'pairs'


def voc(folder: pathlib.Path) -> pathlib.Path:
    """Boxes alone; the polygon's box serves as the scratch."""
    size = f'<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>'
    objects = ''.join(
        f'<object><name>{name}</name><bndbox><xmin>{a + 1}</xmin><ymin>{b + 1}</ymin>'
        f'<xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>'
        for name, (a, b, c, d) in (('scratch', (8, 3, 22, 11)), ('dot', BOX))
    )
    for name, text in (('bad', size + objects), ('good', size)):
        (folder / f'{name}.xml').write_text(
            f'<annotation><filename>{name}.png</filename>{text}</annotation>'
        )
    return folder


def yolo(folder: pathlib.Path) -> pathlib.Path:
    (folder / 'classes.txt').write_text('scratch\ndot\n')
    corners = ' '.join(f'{x / WIDTH} {y / HEIGHT}' for x, y in POLYGON)
    center = f'{35 / WIDTH} {25 / HEIGHT} {10 / WIDTH} {10 / HEIGHT}'
    (folder / 'bad.txt').write_text(f'0 {corners}\n1 {center}\n')
    (folder / 'good.txt').write_text('')
    return folder


def coco(folder: pathlib.Path) -> pathlib.Path:
    content = {
        'categories': [{'id': 7, 'name': 'scratch'}, {'id': 3, 'name': 'dot'}],
        'images': [
            {'id': 1, 'file_name': 'lot/bad.png', 'width': WIDTH, 'height': HEIGHT},
            {'id': 2, 'file_name': 'lot/good.png', 'width': WIDTH, 'height': HEIGHT},
        ],
        'annotations': [
            {
                'id': 1,
                'image_id': 1,
                'category_id': 7,
                'segmentation': [np.ravel(POLYGON).tolist()],
            },
            {'id': 2, 'image_id': 1, 'category_id': 3, 'bbox': [30, 20, 10, 10]},
        ],
    }
    (folder / 'instances.json').write_text(json.dumps(content))
    return folder / 'instances.json'


def labelme(folder: pathlib.Path) -> pathlib.Path:
    shapes = [
        {'label': 'scratch', 'points': POLYGON, 'shape_type': 'polygon'},
        {'label': 'dot', 'points': [[30, 20], [40, 30]], 'shape_type': 'rectangle'},
    ]
    for name, drawn in (('bad', shapes), ('good', [])):
        content = {
            'imagePath': f'..\\photos\\{name}.png',
            'imageWidth': WIDTH,
            'imageHeight': HEIGHT,
            'shapes': drawn,
        }
        (folder / f'{name}.json').write_text(json.dumps(content))
    return folder


def cvat(folder: pathlib.Path) -> pathlib.Path:
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    corners = ';'.join(f'{x},{y}' for x, y in POLYGON)
    (folder / 'annotations.xml').write_text(
        '<annotations><meta><labels><label><name>scratch</name></label>'
        '<label><name>dot</name></label></labels></meta>'
        f'<image name="lot/bad.png" {size}>'
        f'<polygon label="scratch" points="{corners}"/>'
        '<box label="dot" xtl="30" ytl="20" xbr="40" ybr="30"/></image>'
        f'<image name="lot/good.png" {size}/></annotations>'
    )
    return folder / 'annotations.xml'


@pytest.mark.parametrize('write', [voc, yolo, coco, labelme, cvat])
def test_each_format_gives_the_mask_that_was_drawn(
    write: Callable[[pathlib.Path], pathlib.Path],
    pairs: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / 'labels').mkdir()
    labels = formats.READERS[write.__name__](write(tmp_path / 'labels'))
    plan = importing.plan(pairs, labels, Options())
    masks = {
        plan.name(pair): mask
        for pair, mask in importing.write_masks(plan, binary=False)
    }
    assert_drawn(masks['lot/bad'].pixels, filled=write is not voc)
    assert not masks['lot/good'].pixels.any()
    assert [plan.name(pair) for pair in plan.without] == ['lot/new']
    assert 'lot/new' in importing.describe(plan, untold=0)

    source = read_source(
        pairs, Options(without_mask='unlabelled', splits={'train': 100})
    )
    assert source.class_map.class_names == ('background', 'scratch', 'dot')
    read = source.class_map.convert(pairs / 'mask' / 'lot' / 'bad.png')
    np.testing.assert_array_equal(read, masks['lot/bad'].pixels)


def test_a_box_in_which_nothing_differs_is_ignored() -> None:
    reference = images()[1]
    labels = LabeledImage('x.png', [box('dot', 5, 5, 15, 15)])
    mask = paint(labels, IDS, reference, reference, binary=False)
    assert mask.untold == 1
    assert (mask.pixels[5:15, 5:15] == 255).all()
    assert np.count_nonzero(mask.pixels) == 100


def test_contours_that_are_off_are_no_defect_in_binary_pairs() -> None:
    """The rule of DeepPCB: the spur is painted, the contour beside it is not."""
    reference = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    reference[:, :20] = 255
    image = reference.copy()
    image[:, 20] = 255
    image[10:18, 21:30] = 255
    labels = LabeledImage('x.png', [box('dot', 15, 5, 35, 25)])
    mask = paint(labels, IDS, image, reference, binary=True).pixels
    assert (mask[11:17, 22:29] == 2).all()
    assert not mask[5:8].any()


def test_a_small_polygon_lies_above_a_large_one() -> None:
    image = images()[1]
    small = Shape('dot', np.array([[12, 6], [14, 6], [14, 8], [12, 8]], float))
    large = Shape('scratch', np.array(POLYGON, float))
    for shapes in ([small, large], [large, small]):
        mask = paint(LabeledImage('x', shapes), IDS, image, image, binary=False).pixels
        assert (mask[6:8, 12:14] == 2).all()
        assert np.count_nonzero(mask == 1) == 40 - 4


def test_a_polygon_thinner_than_a_pixel_is_not_lost() -> None:
    image = images()[1]
    hair = Shape('scratch', np.array([[3.1, 5.1], [30.1, 5.1], [30.1, 5.2]]))
    mask = paint(LabeledImage('x', [hair]), IDS, image, image, binary=False).pixels
    assert np.count_nonzero(mask) == 28
    assert mask[5, 3:31].all()


def test_a_turned_ellipse_reaches_where_its_axis_points() -> None:
    """Clockwise: a long axis along x, turned by 30 degrees, goes down to the right."""
    image = images()[1]
    shape = ellipse('dot', (30, 20), (16, 3), rotation=30)
    mask = paint(LabeledImage('x', [shape]), IDS, image, image, binary=False).pixels
    assert mask[20 + 7, 30 + 12] and not mask[20 - 7, 30 + 12]
    assert np.count_nonzero(mask) == pytest.approx(np.pi * 16 * 3, rel=0.05)


def test_an_ellipse_has_its_area() -> None:
    image = images()[1]
    shape = ellipse('dot', (30, 20), (12, 7))
    mask = paint(LabeledImage('x', [shape]), IDS, image, image, binary=False).pixels
    assert np.count_nonzero(mask) == pytest.approx(np.pi * 12 * 7, rel=0.03)


@pytest.mark.parametrize(
    ('labels', 'message'),
    [
        (LabeledImage('x.png', [], (40, 60)), 'labeled at 40 x 60 pixels'),
        (LabeledImage('x.png', [box('dot', 70, 5, 80, 9)]), 'outside'),
        (LabeledImage('x.png', [box('dot', 5, 5, 5, 9)]), 'empty'),
        (LabeledImage('x.png', [Shape('dot', np.zeros((2, 2)))]), 'no valid corners'),
        (LabeledImage('x.png', [Shape('dot', np.zeros((0, 2)))]), 'no valid corners'),
        (LabeledImage('x.png', [box('dot', 0, 0, float('nan'), 9)]), 'no valid'),
    ],
)
def test_labels_that_do_not_fit_the_image_are_refused(
    labels: LabeledImage, message: str
) -> None:
    image = images()[1]
    with pytest.raises(ValueError, match=message):
        paint(labels, IDS, image, image, binary=False)


def change(path: pathlib.Path, old: str, new: str) -> pathlib.Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


@pytest.mark.parametrize(
    ('write', 'file', 'old', 'new', 'message'),
    [
        (coco, 'instances.json', '"bbox"', '"other"', "lacks 'bbox'"),
        (coco, 'instances.json', '"categories"', '"other"', "lacks 'categories'"),
        (coco, 'instances.json', '"image_id": 1', '"image_id": 9', 'the image 9'),
        (coco, 'instances.json', '[[', '{"counts": [[', 'not valid JSON'),
        (coco, 'instances.json', '[[', '[[1, ', 'json, annotation 1: corners that'),
        (coco, 'instances.json', '{"id": 2, "file', '{"id": 1, "file', '1 appears tw'),
        (coco, 'instances.json', '"id": 3,', '"id": 7,', '7 appears twice in categ'),
        (yolo, 'bad.txt', '1 ', '5 ', 'bad.txt, line'),
        (yolo, 'bad.txt', '1 ', 'dot ', 'bad.txt, line'),
        (labelme, 'bad.json', '"polygon"', '"linestrip"', "drawn as 'linestrip'"),
        (labelme, 'bad.json', '"shapes"', '"other"', "lacks 'shapes'"),
        (labelme, 'bad.json', '[10, 5]', '[10]', "bad.json: 'scratch': corners that"),
        (cvat, 'annotations.xml', '<box ', '<points ', 'has a <points>'),
        (cvat, 'annotations.xml', 'xtl', 'other', "lacks 'xtl'"),
        (cvat, 'annotations.xml', '<box', '<box rotation="9.5"', 'turned by 9.5 deg'),
        (cvat, 'annotations.xml', '</annotations>', '<track/></annotations>', 'has tr'),
        (cvat, 'annotations.xml', '</annotations>', '', 'not well-formed'),
        (voc, 'bad.xml', 'bndbox', 'other', 'no <bndbox>'),
        (voc, 'bad.xml', f'<xmax>{BOX[2]}', '<xmax>x', 'not a number'),
        (voc, 'good.xml', 'good.png', 'bad.png', 'labeled twice'),
    ],
)
def test_damaged_labels_end_in_a_line_that_says_what_and_where(
    write: Callable[[pathlib.Path], pathlib.Path],
    file: str,
    old: str,
    new: str,
    message: str,
    tmp_path: pathlib.Path,
) -> None:
    path = write(tmp_path)
    change(tmp_path / file, old, new)
    with pytest.raises(ValueError, match=message):
        formats.READERS[write.__name__](path)


def test_yolo_without_names_says_how_to_write_them(tmp_path: pathlib.Path) -> None:
    yolo(tmp_path)
    (tmp_path / 'classes.txt').unlink()
    with pytest.raises(ValueError, match=r'no classes\.txt'):
        formats.read_yolo(tmp_path)


def test_labels_of_an_image_that_is_not_there_are_refused(
    pairs: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (tmp_path / 'labels').mkdir()
    path = change(coco(tmp_path / 'labels'), 'good.png', 'other.png')
    with pytest.raises(ValueError, match=r'lot/other\.png'):
        importing.plan(pairs, formats.read_coco(path), Options())


@pytest.mark.parametrize(
    ('names', 'label', 'found'),
    [
        (['test/1'], 'train/1.png', None),
        (['1', 'test/1'], 'train/1.png', '1'),
        (['lot/test/1'], 'test/1', 'lot/test/1'),
        (['lot/1', 'other/1'], '1.png', None),
        (['1', 'a/test/1', 'b/test/1'], 'test/1', None),
        (['1', 'test/1'], 'C:\\data\\test\\1.png', 'test/1'),
        (['contest/1'], 'test/1', None),
    ],
)
def test_labels_belong_to_the_image_whose_whole_path_agrees(
    names: list[str], label: str, found: str | None, tmp_path: pathlib.Path
) -> None:
    for folder in ('image', 'reference'):
        write_images(tmp_path / folder, *(f'{name}.png' for name in names))
    labels = formats.collect(['dot'], [LabeledImage(label, [])])
    if found is None:
        with pytest.raises(ValueError, match='These labeled images are not in'):
            importing.plan(tmp_path, labels, Options())
        return
    plan = importing.plan(tmp_path, labels, Options())
    assert [plan.name(pair) for pair, _ in plan.labeled] == [found]


def test_the_folder_of_a_voc_file_is_that_of_its_image(tmp_path: pathlib.Path) -> None:
    stated_in = {'a': 'bad.png', 'b': 'D:\\photos\\bad.png', '': 'bad.png'}
    for folder, stated in stated_in.items():
        (tmp_path / folder).mkdir(exist_ok=True)
        change(voc(tmp_path / folder) / 'bad.xml', 'bad.png', stated)
        (tmp_path / folder / 'good.xml').unlink()
    names = [image.name for image in formats.read_voc(tmp_path).images]
    assert names == ['a/bad.png', 'b/bad.png', 'bad.png']


def test_tracks_alone_are_not_taken_for_no_label(tmp_path: pathlib.Path) -> None:
    """'CVAT for video' has no images: that would be 0 masks."""
    path = tmp_path / 'annotations.xml'
    path.write_text('<annotations><meta/></annotations>')
    with pytest.raises(ValueError, match="export as 'CVAT for images"):
        formats.read_cvat(path)


def import_shapes(pairs: pathlib.Path, **shapes: Shape) -> importing.Plan:
    """Imports one shape for each image that is named."""
    labeled = [LabeledImage(name, [shape]) for name, shape in shapes.items()]
    plan = importing.plan(pairs, formats.collect([], labeled), Options())
    list(importing.write_masks(plan, binary=False))
    return plan


def classes_in(pairs: pathlib.Path, name: str) -> set[str]:
    """What the pixels of a mask are called, but for the background."""
    class_map = read_class_map(pairs / 'classes.csv')
    ids = np.unique(class_map.convert(pairs / 'mask' / 'lot' / f'{name}.png'))
    names = dict(enumerate(class_map.class_names)) | {255: 'ignored'}
    return {names[id] for id in ids.tolist()} - {'background'}


def test_masks_keep_their_classes_when_others_are_imported(pairs: pathlib.Path) -> None:
    """The second batch begins with the second class, and has a new one."""
    corners = np.array(POLYGON, float)
    import_shapes(pairs, bad=Shape('scratch', corners), good=Shape('dent', corners))
    (pairs / 'mask' / 'lot' / 'good.png').unlink()
    plan = import_shapes(pairs, good=Shape('dent', corners), new=Shape('hole', corners))
    for name, kind in (('bad', 'scratch'), ('good', 'dent'), ('new', 'hole')):
        assert classes_in(pairs, name) == {kind}
    assert 'Without labels' not in importing.describe(plan, untold=0)
    names = ('background', 'scratch', 'dent', 'hole')
    assert read_class_map(pairs / 'classes.csv').class_names == names


def test_masks_drawn_by_hand_keep_their_classes(pairs: pathlib.Path) -> None:
    """White is a scratch in theirs, so that ignored pixels get another value."""
    white = np.full((HEIGHT, WIDTH), 255, np.uint8)
    (pairs / 'mask' / 'lot').mkdir(parents=True)
    write_png(pairs / 'mask' / 'lot' / 'new.png', white)
    shapes = {'bad': Shape('dot', np.array(POLYGON, float)), 'good': box('dot', *BOX)}
    with pytest.raises(ValueError, match=r'no such file, but 1 masks .*/new\.png'):
        import_shapes(pairs, **shapes)
    write_classes(pairs, '0,background', '255,scratch')
    import_shapes(pairs, **shapes)
    assert classes_in(pairs, 'new') == {'scratch'}
    assert classes_in(pairs, 'bad') == {'dot'}
    assert classes_in(pairs, 'good') == {'ignored'}  # nothing differs in the box


@pytest.mark.parametrize(
    ('lines', 'message'),
    [
        (['#000000,background', '#ffffff,dot'], 'has colors'),
        (['0-99,background', '100-255,dot'], "no value up to 255 for 'ignored'"),
        (['0,background', '255,Dot'], "'dot' also appears with other capitals"),
    ],
)
def test_a_class_map_that_cannot_be_extended_is_refused(
    lines: list[str], message: str, pairs: pathlib.Path
) -> None:
    write_classes(pairs, *lines)
    with pytest.raises(ValueError, match=message):
        import_shapes(pairs, bad=box('dot', *BOX))


def test_masks_that_are_there_are_replaced_on_request_alone(
    pairs: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    labels = formats.collect(['dot'], [LabeledImage('good', [])])
    old = np.full((HEIGHT, WIDTH), 3, np.uint8)
    (pairs / 'mask' / 'lot').mkdir(parents=True)
    write_png(pairs / 'mask' / 'lot' / 'good.png', old)
    with pytest.raises(ValueError, match='--overwrite'):
        importing.plan(pairs, labels, Options())
    np.testing.assert_array_equal(
        read_image(pairs / 'mask' / 'lot' / 'good.png')[..., 0], old
    )
    plan = importing.plan(pairs, labels, Options(), overwrite=True)
    assert len(list(importing.write_masks(plan, binary=False))) == 1
    assert read_class_map(pairs / 'classes.csv').class_names == ('background', 'dot')


@pytest.mark.parametrize('name', ['background', ''])
def test_a_class_of_defects_has_a_name_of_its_own(
    name: str, pairs: pathlib.Path
) -> None:
    labels = formats.collect([name], [LabeledImage('good', [])])
    with pytest.raises(ValueError, match='another name'):
        importing.plan(pairs, labels, Options())


@pytest.mark.parametrize('binary', [False, True])
def test_a_box_of_the_class_ignored_is_ignored_but_for_defects(binary: bool) -> None:
    """What changed in it is not all; a defect of another box stays."""
    image, reference = images()
    shapes = [box('ignored', 5, 2, 45, 35), box('dot', *BOX)]
    ids = {**IDS, 'ignored': 255}
    labels = LabeledImage('x', shapes)
    mask = paint(labels, ids, image, reference, binary=binary).pixels
    expected = np.zeros_like(mask)
    expected[2:35, 5:45] = 255
    expected[mask == 2] = 2
    np.testing.assert_array_equal(mask, expected)
    assert (mask[DOT] == 2).all() and np.count_nonzero(mask == 2) <= 36


def test_regions_of_the_class_ignored_count_nowhere(pairs: pathlib.Path) -> None:
    shapes = [
        Shape('dot', np.array(POLYGON, float)),
        Shape('Ignored', np.array(POLYGON, float) + 20),
    ]
    labels = formats.collect([], [LabeledImage('bad', shapes)])
    plan = importing.plan(pairs, labels, Options())
    ((_, mask),) = importing.write_masks(plan, binary=False)
    assert set(np.unique(mask.pixels)) == {0, 1, 255}
    assert read_class_map(pairs / 'classes.csv').class_names == ('background', 'dot')
