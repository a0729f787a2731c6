"""Weights from elsewhere: bit for bit under all known names, or a clear error."""

import importlib.util
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
import safetensors.numpy

from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import CADNet, build_model
from cadnet_jax.models.initialize import initialize
from cadnet_jax.weights.pretrained import convert, read_weights
from tests.support import foreign_names

Weights = dict[str, np.ndarray]


@pytest.fixture(scope='module')
def model() -> CADNet:
    return build_model(ModelConfig(), 3)


@pytest.fixture(scope='module')
def variables(model: CADNet) -> Any:
    """Random everywhere, so that no two parameters could be taken for each other."""
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda x: rng.standard_normal(x.shape, np.float32), initialize(model, seed=0)
    )


def published(variables: dict[str, Any]) -> Weights:
    params = variables['params']
    return {
        **foreign_names.published_encoder(params['encoder']),
        **foreign_names.published_decoder(params['decoder']),
        **foreign_names.published_decoder(variables['batch_stats']['decoder']),
        'decode_head.fusion_conv.bn.num_batches_tracked': np.array(7),
    }


def mmsegmentation(variables: dict[str, Any]) -> Weights:
    weights = foreign_names.published_encoder(variables['params']['encoder'])
    return {name.removeprefix('backbone.'): x for name, x in weights.items()}


def mmsegmentation_with_prefix(variables: dict[str, Any]) -> Weights:
    return foreign_names.published_encoder(variables['params']['encoder'])


def nvlabs(variables: dict[str, Any]) -> Weights:
    weights = foreign_names.nvlabs(variables['params']['encoder'])
    return {
        **weights,
        'head.weight': np.zeros((1000, 256)),
        'head.bias': np.zeros(1000),
    }


def nvlabs_segmentation(variables: dict[str, Any]) -> Weights:
    weights = foreign_names.nvlabs(variables['params']['encoder'])
    return {
        **{f'backbone.{name}': x for name, x in weights.items()},
        'decode_head.linear_c4.proj.weight': np.zeros((256, 256)),
    }


def hugging_face(variables: dict[str, Any]) -> Weights:
    return foreign_names.hugging_face(variables['params']['encoder'])


def hugging_face_segmentation(variables: dict[str, Any]) -> Weights:
    return {
        **{f'segformer.{name}': x for name, x in hugging_face(variables).items()},
        'decode_head.linear_c.0.proj.weight': np.zeros((256, 32)),
        'decode_head.batch_norm.num_batches_tracked': np.array(0),
    }


def hugging_face_classifier(variables: dict[str, Any]) -> Weights:
    return {
        **{f'segformer.{name}': x for name, x in hugging_face(variables).items()},
        'classifier.weight': np.zeros((1000, 256)),
    }


ENCODERS = (
    mmsegmentation,
    mmsegmentation_with_prefix,
    nvlabs,
    nvlabs_segmentation,
    hugging_face,
    hugging_face_segmentation,
    hugging_face_classifier,
)


def assert_same(actual: Any, expected: Any) -> None:
    jax.tree.map(np.testing.assert_array_equal, actual, expected)  # and structures


def test_the_published_names_are_mapped_one_to_one(
    model: CADNet, variables: dict[str, Any]
) -> None:
    imported = convert(published(variables), model, source='file')
    assert_same(imported.variables, variables)
    assert imported.skipped == ('decode_head.fusion_conv.bn.num_batches_tracked',)


@pytest.mark.parametrize('build', ENCODERS, ids=lambda build: build.__name__)
def test_an_encoder_is_mapped_one_to_one_and_other_heads_are_skipped(
    build: Callable[[dict[str, Any]], Weights], model: CADNet, variables: dict[str, Any]
) -> None:
    weights = build(variables)
    imported = convert(weights, model, source='file')
    encoder = {'encoder': variables['params']['encoder']}
    assert_same(imported.variables, {'params': encoder, 'batch_stats': {}})
    heads = ('head.', 'decode_head.', 'classifier.')
    assert set(imported.skipped) == {n for n in weights if n.startswith(heads)}


@pytest.mark.slow
def test_blocks_of_two_digits_have_their_names() -> None:
    """B5's third stage has 40 blocks."""
    model = build_model(ModelConfig(variant='b5'), 2)
    variables = initialize(model, seed=1)
    for build in (mmsegmentation, nvlabs, hugging_face):
        imported = convert(build(variables), model, source='file')
        assert_same(
            imported.variables['params']['encoder'], variables['params']['encoder']
        )


def test_encoder_only_leaves_a_decoder_for_other_classes_out(
    variables: dict[str, Any],
) -> None:
    model = build_model(ModelConfig(), 7)
    weights = published(variables)
    imported = convert(weights, model, source='file', encoder_only=True)
    assert set(imported.variables['params']) == {'encoder'}
    assert set(imported.skipped) == {n for n in weights if n.startswith('decode_head.')}


def test_nvlabs_names_give_the_published_backbone(
    model: CADNet, shared: pathlib.Path
) -> None:
    """Two files of one network, written by the publishers' own converter."""
    folder = shared / 'reference'
    ours, theirs = (
        convert(read_weights(folder / name), model, source=name)
        for name in ('mit_b0_nvlabs_names.npz', 'cadnet_intra_weights.npz')
    )
    assert_same(
        ours.variables['params']['encoder'], theirs.variables['params']['encoder']
    )
    assert ours.skipped == ('head.weight', 'head.bias')


def test_unknown_missing_and_misshapen_names_are_listed_together(
    model: CADNet, variables: dict[str, Any]
) -> None:
    weights = nvlabs(variables)
    weights['block9.0.norm1.weight'] = np.zeros(3)
    weights['extra'] = np.zeros(3)
    del weights['block1.0.attn.kv.bias'], weights['norm4.weight']
    weights['norm1.bias'] = np.zeros(5)
    weights['block2.1.attn.sr.weight'] = np.zeros((64, 64, 2, 2))
    with pytest.raises(ValueError) as error:
        convert(weights, model, source='mit.npz')
    message = str(error.value)
    assert message.startswith('mit.npz: ') and '\n' not in message
    assert '2 unknown: block9.0.norm1.weight, extra' in message
    missing = message.partition('2 missing: ')[2].partition(';')[0]
    assert set(missing.split(', ')) == {'block1.0.attn.kv.bias', 'norm4.weight'}
    assert 'norm1.bias (5,), not (32,)' in message
    assert 'block2.1.attn.sr.weight (64, 64, 2, 2), not (64, 64, 4, 4)' in message


@pytest.mark.parametrize(
    ('build', 'name', 'expected'),
    [
        (mmsegmentation, 'layers.0.1.0.attn.attn.in_proj_weight', '(96, 32)'),
        (mmsegmentation, 'layers.2.1.1.attn.attn.in_proj_bias', '(480,)'),
        (mmsegmentation, 'layers.0.1.0.ffn.layers.0.weight', '(128, 32)'),
        (hugging_face, 'encoder.block.0.1.attention.self.key.weight', '(32, 32)'),
        (hugging_face, 'encoder.block.3.0.attention.self.value.bias', '(256,)'),
        (nvlabs, 'block1.0.attn.kv.weight', '(64, 32)'),
        (nvlabs, 'block1.0.mlp.dwconv.dwconv.weight', '(128, 1, 3, 3)'),
    ],
)
def test_a_shape_is_said_as_the_file_should_have_it(
    build: Callable[[dict[str, Any]], Weights],
    name: str,
    expected: str,
    model: CADNet,
    variables: dict[str, Any],
) -> None:
    weights = build(variables)
    weights[name] = np.zeros((7, 7))
    with pytest.raises(ValueError, match='1 misshapen') as error:
        convert(weights, model, source='file')
    assert f'{name} (7, 7), not {expected}' in str(error.value)


def test_weights_of_another_head_or_class_count_say_so(
    variables: dict[str, Any],
) -> None:
    weights = published(variables)
    with pytest.raises(ValueError, match=r'unknown: .*hw_a.conv1.weight'):
        convert(weights, build_model(ModelConfig(head='plain'), 3), source='file')
    with pytest.raises(ValueError, match=r'conv_seg.weight \(3, 256\), not \(7, 256\)'):
        convert(weights, build_model(ModelConfig(), 7), source='file')


def test_names_of_something_else_are_refused(model: CADNet) -> None:
    weights = {'conv1.weight': np.zeros(3), 'fc.bias': np.zeros(3)}
    with pytest.raises(ValueError, match=r'resnet.npz: .*conv1.weight, fc.bias') as no:
        convert(weights, model, source='resnet.npz')
    assert 'the encoder of --head=cad has' in str(no.value)
    assert 'ResNet-50 needs --head=fcn' in str(no.value)
    with pytest.raises(ValueError, match='none at all'):
        convert({}, model, source='empty.npz')


WEIGHTS: Weights = {
    'a.weight': np.arange(6, dtype=np.float16).reshape(2, 3),
    'a.count': np.array(3, np.int64),
}


@pytest.mark.parametrize('suffix', ['.npz', '.safetensors'])
def test_a_file_gives_back_its_arrays(suffix: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / f'weights{suffix}'
    if suffix == '.npz':
        np.savez(path, **WEIGHTS)  # type: ignore[arg-type]
    else:
        safetensors.numpy.save_file(WEIGHTS, path)
    assert_same(read_weights(path), WEIGHTS)


@pytest.mark.parametrize('wrapper', [None, 'state_dict', 'model'])
def test_a_torch_file_gives_back_its_arrays(
    wrapper: str | None, tmp_path: pathlib.Path
) -> None:
    torch = pytest.importorskip('torch', reason='PyTorch (extra `torch`) is absent.')
    values: Any = {name: torch.from_numpy(x) for name, x in WEIGHTS.items()}
    torch.save({wrapper: values} if wrapper else values, tmp_path / 'weights.pth')
    assert_same(read_weights(tmp_path / 'weights.pth'), WEIGHTS)


@pytest.mark.skipif(
    importlib.util.find_spec('torch') is not None, reason='PyTorch is installed.'
)
def test_a_torch_file_without_torch_names_the_extra(tmp_path: pathlib.Path) -> None:
    path = tmp_path / 'mit_b0.pth'
    path.touch()
    with pytest.raises(ValueError, match=r"mit_b0.pth: .* -e '\.\[torch\]'"):
        read_weights(path)


@pytest.mark.parametrize('suffix', ['.npz', '.safetensors'])
@pytest.mark.parametrize('kept', [0, 5, 100])
def test_a_file_that_is_cut_short_is_named(
    suffix: str, kept: int, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / f'weights{suffix}'
    if suffix == '.npz':
        np.savez(path, **WEIGHTS)  # type: ignore[arg-type]
    else:
        safetensors.numpy.save_file(WEIGHTS, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=f'weights{suffix}: not readable'):
        read_weights(path)


def test_a_missing_file_and_an_unknown_kind_are_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'gone.npz: no such file'):
        read_weights(tmp_path / 'gone.npz')
    (tmp_path / 'weights.onnx').touch()
    with pytest.raises(ValueError, match=r'weights.onnx: the known kinds .*\.npz'):
        read_weights(tmp_path / 'weights.onnx')
