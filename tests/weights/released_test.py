"""Released weights: written, read, compared byte for byte, and used by the scripts."""

import dataclasses
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import jax
import numpy as np
import pytest
import safetensors
from flax import traverse_util

import cadnet_jax
from cadnet_jax.config import Config
from cadnet_jax.data_config import DataConfig
from cadnet_jax.evaluation.evaluate import output_directory
from cadnet_jax.files.images import read_image
from cadnet_jax.inference.restore import load_predictor
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.initialize import initialize
from cadnet_jax.training_config import LossConfig, TrainConfig
from cadnet_jax.weights import released
from cadnet_jax.weights.loading import load_weights
from tests.conftest import ROOT
from tests.support.tiny_data import prepare_tiny
from tests.support.tiny_run import write_run

pytestmark = pytest.mark.unoptimized

CARD = '# Card\n\n| | |\n|---|---|\n| SHA-256 | `` |\n| License | Apache-2.0 |\n'
EXAMPLE = ROOT / 'docs' / 'example'


def weights(variables: dict[str, Any], threshold: float = 0.5) -> released.Released:
    """Of a run with paths of a machine in its settings."""
    return released.Released(
        config=Config(
            data=DataConfig(data_dir='/data/pairs', crop_size=64),
            loss=LossConfig(defect_weight=2.0),
            train=TrainConfig(init_from='/runs/before'),
        ),
        class_names=('background', 'defect'),
        dataset='synthetic_pairs',
        step=20_000,
        threshold=threshold,
        variables=variables,
    )


def small_variables() -> dict[str, Any]:
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    return {
        'params': {
            'norm': {'scale': draw(3), 'bias': draw(3)},
            'conv': {'kernel': draw(4, 3), 'bias': draw(3)},
        },
        'batch_stats': {'norm': {'mean': draw(3), 'var': draw(3) ** 2}},
    }


@pytest.fixture
def package(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The folder of an installation without weights; its module is a copy."""
    module = tmp_path / 'released.py'
    module.write_text((ROOT / 'cadnet_jax' / 'weights' / 'released.py').read_text())
    monkeypatch.setattr(released, 'MODULE', module)
    monkeypatch.setattr(released, 'FOLDER', tmp_path / 'released_weights')
    monkeypatch.setattr(released, 'SHA256', '')
    return tmp_path / 'released_weights'


def release(monkeypatch: pytest.MonkeyPatch, *args: Any, **options: Any) -> str:
    digest = released.write(weights(*args, **options), CARD)
    monkeypatch.setattr(released, 'SHA256', digest)
    return digest


def test_the_package_agrees_with_itself() -> None:
    """The SHA-256 of the file, in the code and in the card; or nothing is released."""
    path = ROOT / 'cadnet_jax' / 'weights' / 'released_weights' / 'weights.safetensors'
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ''
    assert released.SHA256 == released.card_digest() == digest
    if path.exists():
        assert path.stat().st_size < 9e6
        text = (path.parent / 'CARD.md').read_text()
        assert not re.search('<(?!!--)', text), 'fields to fill in'
        predictor = cadnet_jax.load_predictor()
        assert predictor.class_names == ('background', 'defect')


def test_file_code_and_card_get_one_digest(
    package: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second release replaces the first, and nothing else in the texts."""
    for threshold in (0.5, 0.25):
        digest = release(monkeypatch, small_variables(), threshold=threshold)
        data = (package / 'weights.safetensors').read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest == released.card_digest()
        before = (ROOT / 'cadnet_jax' / 'weights' / 'released.py').read_text()
        after = before.replace(
            f"SHA256 = '{_digest_in(before)}'", f"SHA256 = '{digest}'"
        )
        assert (tmp_path / 'released.py').read_text() == after
        card = CARD.replace('``', f'`{digest}`')
        assert (package / 'CARD.md').read_text() == card


def _digest_in(module: str) -> str:
    return module.partition("\nSHA256 = '")[2].partition("'")[0]


def test_the_same_weights_make_the_same_file(package: pathlib.Path) -> None:
    digests = {released.write(weights(small_variables()), CARD) for _ in range(5)}
    assert len(digests) == 1


def test_what_is_written_is_read(
    package: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels and biases of float16; norms and statistics bit for bit."""
    variables = small_variables()
    release(monkeypatch, variables, threshold=0.2)
    found = released.read()
    expected = weights(variables, 0.2)
    assert found[1:5] == expected[1:5]
    assert found.config.data == dataclasses.replace(expected.config.data, data_dir='')
    assert found.config.train.init_from == ''
    assert found.config.loss == LossConfig(defect_weight=2.0, defect_odds=4.0)
    conv = variables['params']['conv']
    for name, array in conv.items():
        conv[name] = array.astype(np.float16).astype(np.float32)
    jax.tree.map(np.testing.assert_array_equal, found.variables, variables)
    assert {x.dtype for x in jax.tree.leaves(found.variables)} == {np.dtype('float32')}


def test_each_flipped_bit_is_noticed(
    package: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(monkeypatch, small_variables())
    path = package / 'weights.safetensors'
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for bit in rng.choice(8 * len(data), 1000, replace=False):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match='damaged: install the package again') as e:
            released.read()
        assert '\n' not in str(e.value)
    path.write_bytes(data[:-1])
    with pytest.raises(ValueError, match='damaged'):
        released.read()
    path.write_bytes(data)
    released.read()


@pytest.mark.parametrize(
    ('name', 'value', 'message'),
    [
        ('conv', np.nan, 'params/conv/kernel is not finite as float16'),
        ('conv', 7e4, 'params/conv/kernel is not finite as float16'),
        ('norm', np.inf, 'params/norm/scale is not finite as float32'),
    ],
)
def test_weights_that_are_not_finite_are_not_released(
    package: pathlib.Path, name: str, value: float, message: str
) -> None:
    variables = small_variables()
    next(iter(variables['params'][name].values())).flat[0] = value
    with pytest.raises(ValueError, match=message):
        released.write(weights(variables), CARD)
    assert not package.exists()


def test_a_norm_may_have_what_float16_has_not(
    package: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = small_variables()
    variables['batch_stats']['norm']['var'][0] = 7e4
    release(monkeypatch, variables)
    assert released.read().variables['batch_stats']['norm']['var'][0] == 7e4


@pytest.mark.parametrize(
    ('changes', 'card', 'message'),
    [
        ({'threshold': 1.0}, CARD, r'threshold is 1\.0'),
        ({}, '# Card\n', 'the card has no row'),
        (
            {'variables': {'params': {'x': np.zeros(5_000_000)}}},
            CARD,
            r'take 10,0.* bytes',
        ),
    ],
)
def test_what_cannot_be_released_leaves_no_file(
    package: pathlib.Path, changes: dict[str, Any], card: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        released.write(weights(small_variables())._replace(**changes), card)
    assert not package.exists()


def test_without_a_file_one_line_says_so(package: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match='released: no weights come') as error:
        cadnet_jax.load_predictor('released')
    assert '\n' not in str(error.value)


def test_a_folder_of_that_name_is_a_folder(
    package: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / 'released')
    for workdir in ('./released', pathlib.Path('released')):
        assert cadnet_jax.load_predictor(workdir).step == 0
    with pytest.raises(FileNotFoundError, match='no weights come'):
        cadnet_jax.load_predictor('released')


@pytest.fixture(scope='module')
def network() -> dict[str, Any]:
    return initialize(build_model(Config().model, 2), seed=0)


def test_the_network_fits_in_the_file_and_predicts(
    package: pathlib.Path, network: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Formats as promised; and what is predicted is what float32 predicts, nearly."""
    release(monkeypatch, network)
    path = package / 'weights.safetensors'
    assert path.stat().st_size < 9_000_000
    with safetensors.safe_open(path, 'numpy') as file:
        names = set(file.keys())
        for name in names:
            last = name.rsplit('/', 1)[-1]
            if name.startswith('batch_stats') or last == 'scale' or 'norm/' in name:
                assert file.get_slice(name).get_dtype() == 'F32', name
            if last == 'kernel':
                assert file.get_slice(name).get_dtype() == 'F16', name
    assert names == set(traverse_util.flatten_dict(network, sep='/'))

    predictor = cadnet_jax.load_predictor()
    assert (predictor.workdir, predictor.step) == ('released', 20_000)
    assert predictor.class_names == ('background', 'defect')
    assert predictor.tile_size == released.TILE_SIZE
    exact = dataclasses.replace(predictor, variables=network)
    image, reference = (
        read_image(EXAMPLE / name)[:64, :64] for name in ('image.png', 'reference.png')
    )
    found, expected = (p(image, reference) for p in (predictor, exact))
    np.testing.assert_allclose(found.score, expected.score, atol=2e-3)


def test_the_step_is_the_one_that_was_released(
    package: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(monkeypatch, small_variables())
    for step in ('best', 'latest', 20_000):
        assert load_weights('released', step)[1] == 20_000
    with pytest.raises(FileNotFoundError, match=r'no checkpoint 7\. There is: 20000'):
        load_weights('released', 7)


def test_evaluations_never_stand_in_the_package(
    package: pathlib.Path,
    network: dict[str, Any],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release(monkeypatch, network)
    data_dir = prepare_tiny(tmp_path, num={'train': 1, 'test': 1})
    directory = output_directory(load_predictor(), data_dir, 'test')
    assert directory == pathlib.Path('evaluation/released-tiny_pairs-test-20000')


def run_script(
    name: str, folder: pathlib.Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Runs a script in `folder`, whose released weights are its own."""
    start = (
        'import pathlib, runpy, sys; from cadnet_jax.weights import released; '
        f'released.FOLDER = pathlib.Path({str(folder / "released_weights")!r}); '
        f'released.MODULE = pathlib.Path({str(folder / "released.py")!r}); '
        'released.SHA256 = runpy.run_path(str(released.MODULE))["SHA256"]; '
        'sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name="__main__")'
    )
    script = str(ROOT / 'experiments' / f'{name}.py')
    return subprocess.run(
        [sys.executable, '-c', start, script, *arguments],
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': f'{ROOT}{os.pathsep}{ROOT / "experiments"}'},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_scripts_release_predict_and_evaluate(
    package: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """From a work directory to the example's masks and a split of several classes."""
    workdir = write_run(tmp_path / 'run', class_names=('background', 'defect'))
    (tmp_path / 'card.md').write_text(CARD)
    pair = [f'--{name}={EXAMPLE / name}.png' for name in ('image', 'reference')]

    done = run_script('predict', tmp_path, *pair, '--output_dir=out')
    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr.startswith('error: released: no weights come with this package')
    assert done.stderr.count('\n') == 1

    done = run_script(
        'release_weights', tmp_path, f'--workdir={workdir}', '--card=card.md'
    )
    assert done.returncode == 0, done.stderr
    digest = hashlib.sha256((package / 'weights.safetensors').read_bytes()).hexdigest()
    assert digest in done.stdout

    done = run_script('predict', tmp_path, *pair, '--output_dir=out')
    assert done.returncode == 0, done.stderr
    values = json.loads((tmp_path / 'out' / 'image.json').read_text())
    assert values['model'] == {'workdir': 'released', 'step': 0}

    data_dir = prepare_tiny(tmp_path / 'data', num={'train': 1, 'test': 1})
    arguments = f'--data_dir={data_dir}', '--batch_size=1', '--num_pictures=0'
    done = run_script('evaluate', tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        f'The network tells no classes apart: missing, excess of {data_dir} are '
        'evaluated as one class, defect.\n'
    )
    folder = tmp_path / 'evaluation' / 'released-tiny_pairs-test-0'
    metrics = json.loads((folder / 'metrics.json').read_text())
    assert list(metrics['classes']) == ['background', 'defect']
