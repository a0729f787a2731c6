"""What makes a prediction doubtful is said, and kept beside it."""

import json
import pathlib
from collections.abc import Callable

import numpy as np
import pytest
import tifffile

from cadnet_jax.files.images import write_png
from cadnet_jax.inference.pair_files import list_pairs
from cadnet_jax.inference.predict_files import predict_files
from cadnet_jax.inference.reference_checks import find_doubts
from cadnet_jax.inference.results import RESULTS_FILE
from tests.support.tiny_pairs import SQUARE, tiny_reference
from tests.support.tiny_run import differencing_predictor

SIZE = (160, 200)
REFERENCE = tiny_reference(3, SIZE)
REFERENCE += np.random.default_rng(1).integers(0, 30, REFERENCE.shape, np.uint8)


def noisy(pixels: np.ndarray) -> np.ndarray:
    """As another shot of a camera."""
    noise = np.random.default_rng(2).integers(-3, 4, pixels.shape)
    return (pixels + noise).clip(0, 255).astype(np.uint8)


def with_defect(pixels: np.ndarray) -> np.ndarray:
    changed = noisy(pixels)
    changed[SQUARE] = (250, 20, 30)
    return changed


def brightened(pixels: np.ndarray) -> np.ndarray:
    return (pixels * 1.2).clip(0, 255).astype(np.uint8)


CHANGES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], set[str]]] = {
    'a defect': (with_defect, set()),
    'another shot': (noisy, set()),
    'a little brighter': (brightened, set()),
    'the reference itself': (np.copy, {'same_image'}),
    'a covered camera': (np.zeros_like, {'plain'}),
    'a shift': (lambda x: noisy(np.roll(x, (4, -7), axis=(0, 1))), {'shifted'}),
    'half the light': (lambda x: noisy(x // 2), {'brightness'}),
    'another product': (lambda _: 255 - REFERENCE, {'other_product'}),
}


@pytest.mark.parametrize('change', CHANGES)
def test_each_kind_of_doubt_is_found_and_no_other(change: str) -> None:
    made, kinds = CHANGES[change]
    assert {kind for kind, _ in find_doubts(made(REFERENCE), REFERENCE)} == kinds


def test_a_plain_reference_is_named() -> None:
    [doubt] = find_doubts(REFERENCE, np.full_like(REFERENCE, 9))
    assert doubt.text.startswith('one color all over: reference;')


def test_a_shift_of_a_large_image_is_in_its_pixels() -> None:
    """It is found on a smaller copy."""
    large = tiny_reference(5, (1200, 1600))
    large[::40] = 200
    [doubt] = find_doubts(noisy(np.roll(large, (0, 26), axis=(0, 1))), large)
    x = int(doubt.text.partition('x = ')[2].partition(',')[0])
    assert doubt.kind == 'shifted' and abs(x - 26) <= 2


def test_doubts_are_in_the_json_and_in_one_line_a_kind(tmp_path: pathlib.Path) -> None:
    images = {'a': REFERENCE, 'b': REFERENCE, 'c': with_defect(REFERENCE)}
    for name, image in images.items():
        write_png(tmp_path / 'image' / f'{name}.png', image)
    write_png(tmp_path / 'reference.png', REFERENCE)
    pairs = list_pairs(image=tmp_path / 'image', reference=tmp_path / 'reference.png')
    lines = predict_files(
        differencing_predictor(), pairs, tmp_path / 'out', progress=False
    )
    assert len(lines) == 1
    assert lines[0].startswith('warning: a: image and reference have the same pixels')
    assert lines[0].endswith('(1 more pairs like it).')
    kinds = {
        name: [w['kind'] for w in json.loads(path.read_text())['warnings']]
        for name in images
        for path in [tmp_path / 'out' / f'{name}.json']
    }
    assert kinds == {'a': ['same_image'], 'b': ['same_image'], 'c': []}
    path = tmp_path / 'out' / RESULTS_FILE
    interrupted = json.loads(path.read_text()) | {'complete': False}
    path.write_text(json.dumps(interrupted))
    (tmp_path / 'out' / 'c.json').unlink()
    resumed = predict_files(
        differencing_predictor(), pairs, tmp_path / 'out', progress=False
    )
    assert resumed == lines  # also of the pairs that were done before


@pytest.mark.parametrize('bands', [3, 4])
def test_a_fourth_band_that_is_left_out_is_said(
    bands: int, tmp_path: pathlib.Path
) -> None:
    """The prediction stands on the colors alone, and its JSON says so."""
    band = np.full((*SIZE, 1), 220, np.uint8)
    for name, image in (('image', with_defect(REFERENCE)), ('reference', REFERENCE)):
        pixels = np.dstack([image, band])[..., :bands]
        tifffile.imwrite(tmp_path / f'{name}.tif', pixels, photometric='rgb')
    pairs = list_pairs(
        image=tmp_path / 'image.tif', reference=tmp_path / 'reference.tif'
    )
    lines = predict_files(
        differencing_predictor(), pairs, tmp_path / 'out', progress=False
    )
    said = 'four bands, of which the fourth is left out: image.tif and reference.tif'
    assert [said in line for line in lines] == [True] * (bands == 4)
    [path] = (tmp_path / 'out').glob('*image.json')
    [*kinds] = (warning['kind'] for warning in json.loads(path.read_text())['warnings'])
    assert kinds == ['fourth_band'] * (bands == 4)
