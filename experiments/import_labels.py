"""Makes masks for a paired folder from the labels of an annotation tool.

    python experiments/import_labels.py --format=coco --labels=instances.json \\
        --source_dir=my_pairs --pictures=label_pictures

Formats: voc (a folder of XML), yolo (a folder of text, with classes.txt), coco (a JSON
file), labelme (a folder of JSON), cvat (the XML file of 'CVAT for images 1.1').
"""

import pathlib

import environment  # noqa: F401
from absl import flags
from tqdm import tqdm

from cadnet_jax import cli
from cadnet_jax.datasets.label_import import formats
from cadnet_jax.path_flags import define_path

_FORMAT = flags.DEFINE_enum(
    'format', None, sorted(formats.READERS), 'Format of the labels.', required=True
)
_LABELS = define_path('labels', None, 'File or folder of the labels.', required=True)
_SOURCE_DIR = define_path(
    'source_dir', None, 'Directory with the folders of pairs.', required=True
)
_FOLDERS = flags.DEFINE_list(
    'folders',
    ['image', 'reference', 'mask'],
    'Names of the folders of images, references and masks; the last one is written.',
)
_BINARY = flags.DEFINE_bool(
    'binary',
    False,
    'Pairs are black and white, and contours may be off by a few pixels. Without it, '
    'pairs are photographs that are exactly aligned.',
)
_OVERWRITE = flags.DEFINE_bool(
    'overwrite', False, 'Replace masks; classes.csv too, if no other mask stays.'
)
_PICTURES = define_path(
    'pictures', '', 'Folder for pictures of images and masks, to check them.'
)


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.datasets.label_import import importing
    from cadnet_jax.datasets.paired_folder.options import Options
    from cadnet_jax.files.images import read_image, write_png
    from cadnet_jax.pictures.overlays import highlight, side_by_side

    labels = formats.READERS[_FORMAT.value](pathlib.Path(_LABELS.value))
    source_dir, folders = pathlib.Path(_SOURCE_DIR.value), _FOLDERS.value
    options = Options(folders=folders)
    plan = importing.plan(source_dir, labels, options, overwrite=_OVERWRITE.value)
    untold = 0
    masks = importing.write_masks(plan, binary=_BINARY.value)
    for pair, mask in tqdm(masks, desc='masks', total=len(plan.labeled)):
        untold += mask.untold
        if _PICTURES.value:
            image = read_image(pair.image)
            views = [image, read_image(pair.reference), highlight(image, mask.pixels)]
            picture = side_by_side(['image', 'reference', 'labels'], views)
            path = pathlib.Path(_PICTURES.value, f'{plan.name(pair)}.png')
            path.parent.mkdir(parents=True, exist_ok=True)
            write_png(path, picture)
    print(importing.describe(plan, untold=untold))


if __name__ == '__main__':
    cli.run(main)
