"""What is written about pairs of files, and how often the network is called."""

import json
import pathlib

import numpy as np
import pytest

from cadnet_jax.files.images import read_image, write_png
from cadnet_jax.inference.pair_files import list_pairs
from cadnet_jax.inference.predict_files import predict_files
from cadnet_jax.inference.predictor import Predictor, ReferencePredictor
from cadnet_jax.pictures.overlays import panel
from tests.support.tiny_data import CLASS_NAMES, tiny_board, write_board
from tests.support.tiny_run import differencing_predictor

pytestmark = pytest.mark.unoptimized


def test_what_is_written_of_a_pair(tmp_path: pathlib.Path) -> None:
    """Class ids, an overlay, and the defects as JSON, which agree."""
    mask = write_board(tmp_path, 'a.png')
    mask[0] = 0  # ignored in the label, clean in the image
    pairs = list_pairs(image=tmp_path / 'image', reference=tmp_path / 'reference')
    output = tmp_path / 'out'
    predict_files(differencing_predictor(), pairs, output, progress=False)
    names = {'a_mask.png', 'a_overlay.png', 'a.json', 'results.json'}
    assert {path.name for path in output.iterdir()} == names
    written = read_image(output / 'a_mask.png')
    np.testing.assert_array_equal(written[..., 0], mask)
    values = json.loads((output / 'a.json').read_text())
    assert values['image'] == str(tmp_path / 'image' / 'a.png')
    assert values['reference'] == str(tmp_path / 'reference' / 'a.png')
    assert values['size'] == [64, 40]
    assert values['model'] == {'workdir': 'run', 'step': 7}
    assert sum(defect['area'] for defect in values['defects']) == np.sum(mask > 0)
    for defect in values['defects']:
        assert set(defect) == {
            'class',
            'class_id',
            'score',
            'defect_score',
            'box',
            'area',
            'centroid',
        }
        assert defect['class'] == CLASS_NAMES[defect['class_id']]
        x_min, y_min, x_max, y_max = defect['box']
        assert np.any(mask[y_min:y_max, x_min:x_max] == defect['class_id'])
    overlay = read_image(output / 'a_overlay.png')
    assert overlay.shape[1] == 6 * 64  # enlarged, so that text can be read
    assert overlay.shape[0] > 6 * 40 + 150  # with close-ups


def test_a_panel_is_written_where_it_is_asked_for(tmp_path: pathlib.Path) -> None:
    write_board(tmp_path, 'a.png')
    pairs = list_pairs(image=tmp_path / 'image', reference=tmp_path / 'reference')
    predictor = differencing_predictor()
    predict_files(predictor, pairs, tmp_path / 'out', panels=True, progress=False)
    image, reference = (
        read_image(tmp_path / name / 'a.png') for name in ('image', 'reference')
    )
    prediction = predictor(image, reference)
    np.testing.assert_array_equal(
        read_image(tmp_path / 'out' / 'a_panel.png'),
        panel(image, reference, None, prediction.mask, prediction.distance),
    )


def test_a_reference_that_pairs_share_is_encoded_once(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where others stand between them; and what is written is the same."""
    for seed, name in enumerate(('a.png', 'b.png', 'c.png')):
        image, reference, _ = tiny_board(np.random.default_rng(seed), (40, 64))
        write_png(tmp_path / 'image' / name, image)
        write_png(tmp_path / 'reference' / name, reference)
    together = tmp_path / 'pairs.csv'
    together.write_text(
        'image,reference\n'
        'image/a.png,reference/a.png\n'
        'image/c.png,reference/c.png\n'
        'image/b.png,reference/a.png\n'
    )
    predictor = differencing_predictor()
    fixed = []
    with_reference = Predictor.with_reference

    def noted(self: Predictor, reference: np.ndarray) -> ReferencePredictor:
        fixed.append(reference)
        return with_reference(self, reference)

    monkeypatch.setattr(Predictor, 'with_reference', noted)
    predict_files(
        predictor, list_pairs(pairs=together), tmp_path / 'out', progress=False
    )
    (encoded,) = fixed
    np.testing.assert_array_equal(encoded, read_image(tmp_path / 'reference/a.png'))
    for name, other in (('a', 'a'), ('b', 'a'), ('c', 'c')):
        expected = predictor(
            read_image(tmp_path / f'image/{name}.png'),
            read_image(tmp_path / f'reference/{other}.png'),
        )
        written = read_image(tmp_path / f'out/{name}_mask.png')[..., 0]
        np.testing.assert_array_equal(written, expected.mask)


def test_a_file_that_cannot_be_written_ends_everything(tmp_path: pathlib.Path) -> None:
    """Although a thread writes it."""
    write_board(tmp_path, 'a.png')
    pairs = list_pairs(image=tmp_path / 'image', reference=tmp_path / 'reference')
    (tmp_path / 'out').write_text('a file where the folder should be')
    with pytest.raises(OSError, match='out'):
        predict_files(differencing_predictor(), pairs, tmp_path / 'out', progress=False)
