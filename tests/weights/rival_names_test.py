"""Weights of the rivals under mmsegmentation's names."""

import os
import pathlib
import re
from typing import Any

import jax
import numpy as np
import pytest
from flax import traverse_util

from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.initialize import parameter_shapes
from cadnet_jax.weights.foreign_names import LAYOUTS, origin
from cadnet_jax.weights.pretrained import convert

pytestmark = pytest.mark.unoptimized

SECTIONS = {
    'fcn': 'FCN',
    'pspnet': 'PSPNet',
    'deeplabv3plus': 'DeepLabV3+',
    'danet': 'DANet',
    'ocrnet': 'OCRNet',
}
# Written down from mmsegmentation 0.30's code: array, and our path.
BACKBONES = {
    'fcn': {
        'stem.0.weight': 'stem_1/conv/kernel',
        'stem.4.running_mean': 'stem_2/norm/mean',
        'stem.7.bias': 'stem_3/norm/bias',
        'layer1.0.downsample.0.weight': 'stage_1_block_1/projection/conv/kernel',
        'layer3.5.bn2.running_var': 'stage_3_block_6/conv_2/norm/var',
        'layer4.2.conv3.weight': 'stage_4_block_3/conv_3/conv/kernel',
    },
    'pspnet': {
        'layer2.0.downsample.1.weight': 'stage_2_block_1/projection/norm/scale',
        'layer4.1.conv2.weight': 'stage_4_block_2/conv_2/conv/kernel',
    },
    'ocrnet': {
        'conv2.weight': 'conv_2/conv/kernel',
        'bn1.running_mean': 'conv_1/norm/mean',
        'layer1.3.conv3.weight': 'stage_1_block_4/conv_3/conv/kernel',
        'transition1.0.0.weight': 'transition_1_1/conv/kernel',
        'transition1.1.0.1.bias': 'transition_1_2_1/norm/bias',
        'transition3.3.0.0.weight': 'transition_3_4_1/conv/kernel',
        'stage2.0.branches.1.3.bn2.weight': (
            'stage_2_module_1/branch_2_block_4/conv_2/norm/scale'
        ),
        'stage4.2.fuse_layers.0.3.0.weight': 'stage_4_module_3/fuse_1_4/conv/kernel',
        'stage4.2.fuse_layers.3.0.2.1.running_var': (
            'stage_4_module_3/fuse_4_1_3/norm/var'
        ),
    },
}
WITHOUT_PREFIX, WITH_PREFIX = (x for x in LAYOUTS if x.column == 'rivals')


def shapes_of(head: str) -> dict[tuple[str, ...], Any]:
    model = build_model(ModelConfig(head=head), 3)
    flat: dict[tuple[str, ...], Any] = traverse_util.flatten_dict(
        parameter_shapes(model)
    )
    return flat


def as_pytorch(array: np.ndarray) -> np.ndarray:
    """`[H, W, I, O]` -> `[O, I, H, W]`; it keeps a 1x1 kernel as four axes."""
    if array.ndim == 2:
        array = array[None, None]
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array


def backbone(head: str) -> dict[str, np.ndarray]:
    """Zeros in place of a published backbone."""
    return {
        origin(path, WITHOUT_PREFIX)[0].name: as_pytorch(np.zeros(leaf.shape))
        for path, leaf in shapes_of(head).items()
        if path[1] == 'encoder'
    }


@pytest.mark.parametrize('head', BACKBONES)
def test_a_published_backbone_is_mapped_one_to_one(head: str) -> None:
    """Its classifier is left out, as the counters of its batches are."""
    rng = np.random.default_rng(0)
    weights, expected = {}, {}
    for path, leaf in shapes_of(head).items():
        if path[1] != 'encoder':
            continue
        (rows,) = origin(path, WITHOUT_PREFIX)
        array = rng.standard_normal(leaf.shape, np.float32)
        expected[path] = array
        assert rows.name not in weights
        weights[rows.name] = as_pytorch(array)
    for name, ours in BACKBONES[head].items():
        of_statistics = ours.endswith(('mean', 'var'))
        collection = 'batch_stats' if of_statistics else 'params'
        full = collection, 'encoder', *ours.split('/')
        assert origin(full, WITHOUT_PREFIX)[0].name == name
        assert name in weights
    extra = {
        'fc.weight': np.zeros((1000, 8)),
        'bn1.num_batches_tracked': np.array(3),
    }
    model = build_model(ModelConfig(head=head), 3)
    imported = convert(weights | extra, model, source='file')
    assert imported.skipped == tuple(extra)
    assert imported.layout == WITHOUT_PREFIX.title
    found = traverse_util.flatten_dict(imported.variables)
    assert found.keys() == expected.keys()
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.parametrize('head', SECTIONS)
def test_convolutions_have_the_names_and_shapes_of_mmsegmentation(head: str) -> None:
    """Those that the reference data list: all of the heads, much of the ResNets."""
    shared = pathlib.Path(os.environ.get('CADNET_SHARED', '../shared'))
    listing = shared / 'rivals' / 'layers.txt'
    if not listing.exists():
        pytest.skip(f'{listing} is not there')
    ours: dict[str, tuple[int, ...]] = {}
    for path, leaf in shapes_of(head).items():
        if path[-1] == 'kernel':
            (rows,) = origin(path, WITH_PREFIX)
            shape = (1, 1, *leaf.shape)[-4:]
            ours[rows.name] = (shape[3], shape[2], shape[0], shape[1])
    parts = re.split(r'^===== (\S+) \d+\n', listing.read_text(), flags=re.M)
    section = parts[parts.index(SECTIONS[head]) + 1]
    prefixes = ['decode_head.', 'auxiliary_head.']
    if head == 'ocrnet':
        prefixes = ['decode_head.0.', 'decode_head.1.']
    prefix, found = '', 0
    for line in section.splitlines():
        if line.startswith('  head '):
            prefix = prefixes.pop(0)
        match = re.match(r'\s+(bb )?(\S+) \((.*?)\) stride', line)
        if not match:
            continue
        name = ('backbone.' if match[1] else prefix) + match[2] + '.weight'
        shape = tuple(int(side) for side in match[3].split(', '))
        assert ours.pop(name) == shape
        found += 1
    assert found > 4
    listed = ('decode_head.', 'auxiliary_head.')
    assert not [name for name in ours if name.startswith(listed)]


def test_the_gammas_of_danet_are_numbers_there() -> None:
    names = {
        origin(path, WITH_PREFIX)[0].name
        for path in shapes_of('danet')
        if path[-1] == 'gamma'
    }
    assert names == {
        'decode_head.pam.gamma.scale',
        'decode_head.cam.gamma.scale',
    }


@pytest.mark.parametrize('head', ['fcn', 'pspnet', 'ocrnet', 'cad'])
@pytest.mark.parametrize('prefix', ['', 'backbone.'])
def test_a_resnet_with_a_plain_stem_is_recognized(head: str, prefix: str) -> None:
    """torchvision's, whatever it is read for: the message names what to get."""
    weights = {
        f'{prefix}conv1.weight': np.zeros((64, 3, 7, 7)),
        f'{prefix}bn1.weight': np.zeros(64),
        f'{prefix}layer1.0.conv1.weight': np.zeros((64, 64, 1, 1)),
        'fc.weight': np.zeros((1000, 2048)),
    }
    model = build_model(ModelConfig(head=head), 2)
    with pytest.raises(ValueError, match=r'V1c.*resnet50_v1c or resnet18_v1c') as error:
        convert(weights, model, source='resnet50.pth')
    message = str(error.value)
    assert message.startswith(f'resnet50.pth: {prefix}conv1.weight is a stem')
    assert len(message) < 400


def test_a_backbone_for_another_head_is_refused_in_a_few_words() -> None:
    """ResNet-50 as PSPNet's ResNet-18, hundreds of names: three of each are given."""
    weights = backbone('danet')
    with pytest.raises(ValueError, match='danet') as error:
        convert(weights, build_model(ModelConfig(head='pspnet'), 2), source='r50.pth')
    message = str(error.value)
    assert 'it is not what --head=pspnet needs' in message
    assert message.endswith('. Its encoder fits --head=fcn, deeplabv3plus, danet.')
    unknown = re.search(r'(\d+) unknown: (.*?) and (\d+) more;', message)
    assert unknown is not None and unknown[2].count(', ') == 2
    assert int(unknown[1]) == int(unknown[3]) + 3 > 100
    assert len(message) < 1000
    # The encoder fits, and a head is not read: no fault, whatever the class count.
    convert(weights, build_model(ModelConfig(head='fcn'), 7), source='r50.pth')


def test_a_backbone_that_fits_no_head_is_asked_for_its_variant() -> None:
    weights = backbone('pspnet') | {'layer5.weight': np.zeros(3)}
    with pytest.raises(
        ValueError, match=r'1 unknown: layer5.weight\. Is it of another'
    ):
        convert(weights, build_model(ModelConfig(head='pspnet'), 2), source='r.pth')
