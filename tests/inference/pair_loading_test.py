"""How pairs are read: ahead of the network, each file once, and bad ones by name."""

import json
import pathlib
import threading
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from cadnet_jax.files.images import read_image, write_png
from cadnet_jax.inference import pair_loading
from cadnet_jax.inference.decision import Prediction
from cadnet_jax.inference.pair_files import list_pairs
from cadnet_jax.inference.pair_loading import check_pairs, readable_pairs
from cadnet_jax.inference.predict_files import predict_files
from cadnet_jax.inference.predictor import Predictor
from cadnet_jax.inference.results import RESULTS_FILE
from tests.support.tiny_data import tiny_board, write_board
from tests.support.tiny_run import differencing_predictor

pytestmark = pytest.mark.unoptimized


def test_the_check_counts_the_pixels(tmp_path: pathlib.Path) -> None:
    """The end of the bar."""
    for name, size in (('a.png', (40, 64)), ('b.png', (33, 50))):
        write_board(tmp_path, name, size)
    pairs = list_pairs(image=tmp_path / 'image', reference=tmp_path / 'reference')
    assert check_pairs(pairs, progress=False).pixels == 40 * 64 + 33 * 50


@pytest.mark.parametrize('shared', [False, True])
@pytest.mark.parametrize(
    ('kept', 'room'), [('all', 2**20), ('one', 40 * 64 * 3), ('none', 0)]
)
def test_files_that_fit_into_memory_are_decoded_once(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    shared: bool,
    kept: str,
    room: int,
) -> None:
    """The others twice: to check them, and to predict. The results are the same."""
    for name in ('a.png', 'b.png'):
        write_board(tmp_path, name)
    reference = tmp_path / 'reference'
    pairs = list_pairs(
        image=tmp_path / 'image', reference=reference / 'a.png' if shared else reference
    )
    read: list[str] = []

    def noted(path: pathlib.Path, bit_depth: int) -> np.ndarray:
        read.append(str(path))
        return read_image(path, bit_depth)

    monkeypatch.setattr(pair_loading, 'read_image', noted)
    monkeypatch.setattr(pair_loading, 'KEPT_BYTES', room)
    checked = check_pairs(pairs, progress=False)
    predict_files(
        differencing_predictor(),
        pairs,
        tmp_path / 'out',
        checked=checked,
        progress=False,
    )
    assert not checked.decoded
    number = 3 if shared else 4
    assert len(set(read)) == number
    again = {'all': 0, 'one': number - 1, 'none': number}
    assert len(read) == number + again[kept]
    predict_files(differencing_predictor(), pairs, tmp_path / 'again', progress=False)
    for path in (tmp_path / 'out').glob('*.png'):
        assert path.read_bytes() == (tmp_path / 'again' / path.name).read_bytes()


def test_the_next_image_is_read_while_the_network_is_at_work(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ('a.png', 'b.png'):
        write_board(tmp_path, name)
    pairs = list_pairs(image=tmp_path / 'image', reference=tmp_path / 'reference')
    second_is_read = threading.Event()

    def noted(path: pathlib.Path, bit_depth: int) -> np.ndarray:
        image = read_image(path, bit_depth)
        if path == pairs[1].image:
            second_is_read.set()
        return image

    def patient(self: Predictor, *args: Any, **options: Any) -> Prediction:
        assert second_is_read.wait(10)
        return call(self, *args, **options)

    call = Predictor.__call__
    monkeypatch.setattr(Predictor, '__call__', patient)
    monkeypatch.setattr('cadnet_jax.inference.pair_loading.read_image', noted)
    predict_files(differencing_predictor(), pairs, tmp_path / 'out', progress=False)
    assert (tmp_path / 'out/b.json').is_file()


def test_twelve_bits_in_sixteen_are_read_by_their_depth(tmp_path: pathlib.Path) -> None:
    """A gross defect is found, or the file is refused; never found dark."""
    image, reference, mask = tiny_board(np.random.default_rng(0), (40, 64))
    for name, pixels in (('image', image), ('reference', reference)):
        stored = pixels[..., ::-1].astype(np.uint16) * 16
        assert cv2.imwrite(str(tmp_path / f'{name}.png'), stored)
    files = tmp_path / 'image.png', tmp_path / 'reference.png'
    with pytest.raises(ValueError, match=r'\.png: no value is above .*bit_depth'):
        check_pairs(list_pairs(image=files[0], reference=files[1]), progress=False)
    pairs = list_pairs(image=files[0], reference=files[1], bit_depth=12)
    check_pairs(pairs, progress=False)
    predict_files(differencing_predictor(), pairs, tmp_path / 'out', progress=False)
    found = read_image(tmp_path / 'out/image_mask.png')[..., 0]
    np.testing.assert_array_equal(found[1:], mask[1:])


def test_pairs_that_cannot_be_read_are_left_out_and_named(
    tmp_path: pathlib.Path,
) -> None:
    for name in ('a.png', 'b.png', 'c.png'):
        write_board(tmp_path, name)
    reference = tmp_path / 'reference/a.png'
    pairs = list_pairs(image=tmp_path / 'image', reference=reference)
    pairs[1].image.write_bytes(pairs[1].image.read_bytes()[:99])
    write_png(pairs[2].image, np.zeros((9, 9, 3), np.uint8))
    readable, faults = readable_pairs(pairs)
    assert readable == pairs[:1]
    assert 'b.png: a truncated PNG' in faults[0]
    assert 'c.png is 9 x 9 pixels, but' in faults[1]
    predict_files(
        differencing_predictor(),
        readable,
        tmp_path / 'out',
        skipped=faults,
        progress=False,
    )
    results = json.loads((tmp_path / 'out' / RESULTS_FILE).read_text())
    assert results['skipped'] == faults
    with pytest.raises(ValueError, match=r'none of the 2 pairs.*b\.png: a truncated'):
        readable_pairs(pairs[1:])


def truncated(folder: pathlib.Path) -> None:
    path = folder / 'reference/a.png'
    path.write_bytes(path.read_bytes()[:-30])


def not_an_image(folder: pathlib.Path) -> None:
    (folder / 'image/a.png').write_text('no image')


def other_size(folder: pathlib.Path) -> None:
    write_png(folder / 'reference/a.png', np.zeros((40, 63, 3), np.uint8))


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (truncated, r'reference/a\.png: a truncated PNG; copy'),
        (not_an_image, r'image/a\.png: not an image.*give a PNG'),
        (other_size, r'a\.png is 64 x 40 .*reference/a\.png 63 x 40; align and crop'),
    ],
)
def test_a_bad_file_is_named_in_one_line_before_anything_is_computed(
    spoil: Callable[[pathlib.Path], None], message: str, tmp_path: pathlib.Path
) -> None:
    write_board(tmp_path, 'a.png')
    spoil(tmp_path)
    pairs = list_pairs(image=tmp_path / 'image', reference=tmp_path / 'reference')
    with pytest.raises(ValueError, match=message) as error:
        check_pairs(pairs, progress=False)
    assert len(str(error.value).splitlines()) == 1
