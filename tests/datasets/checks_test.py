"""Claims about the checks: what each of them finds, and what it leaves alone."""

import io
from typing import Any

import numpy as np
from PIL import Image

from cadnet_jax.datasets import checks
from cadnet_jax.datasets.checks import KINDS, Examined, LabeledPair, examine, summarize
from tests.support.tiny_pairs import SIZE, SQUARE, tiny_pair, tiny_reference


def labeled(seed: int = 0, **fields: Any) -> LabeledPair:
    image, reference, mask = tiny_pair(seed)
    files = ['i.png', 'r.png', 'm.png']
    pair = LabeledPair(
        f'pair {seed}', image, reference, mask // 255, 'train', 'all', files
    )
    return pair._replace(**fields)


def kinds(pair: LabeledPair) -> list[str]:
    return [finding.kind for finding in examine(pair).findings]


def test_a_good_pair_has_no_findings() -> None:
    seen = examine(labeled())
    assert not seen.findings and not seen.thumbnail
    noise = np.random.default_rng(0).integers(-6, 7, (*SIZE, 3))
    pair = labeled()
    noisy = np.clip(pair.image + noise, 0, 255).astype(np.uint8)
    assert not kinds(pair._replace(image=noisy))
    assert not kinds(pair._replace(image=np.minimum(pair.image, 215) + 40)), 'lighting'


def test_equal_sides_are_found() -> None:
    reference = tiny_reference(0)
    pair = labeled(image=reference, mask=np.zeros(SIZE, np.uint8), files=['i', 'r'])
    assert kinds(pair) == ['same_image']
    assert kinds(labeled(image=reference)) == ['same_image', 'equal_pixels']


def test_a_mask_without_a_defect_is_found_where_there_is_a_mask() -> None:
    pair = labeled(image=tiny_reference(0) + 1, mask=np.zeros(SIZE, np.uint8))
    [finding] = examine(pair).findings
    assert (finding.kind, finding.file) == ('empty_mask', 'm.png')
    assert not kinds(pair._replace(files=['i.png', 'r.png']))


def test_a_label_where_nothing_differs_is_found() -> None:
    """One of two regions marks nothing; a region's rim may well be equal."""
    mask = np.zeros(SIZE, np.uint8)
    mask[11:21, 19:29] = 1
    assert not kinds(labeled(mask=mask))
    mask[30:35, 40:45] = 2
    [finding] = examine(labeled(mask=mask)).findings
    assert finding.kind == 'equal_pixels' and '1 of 2 labeled' in finding.message
    assert finding.message.startswith('m.png: ')


def test_a_difference_without_a_label_is_found_with_its_place() -> None:
    pair = labeled()
    pair.image[28:36, 40:48] = (0, 255, 0)
    [finding] = examine(pair).findings
    assert finding.kind == 'unlabelled'
    assert finding.message.startswith('i.png: 64 pixels around x = 44, y = 32')
    pair.mask[28:36, 40:48] = checks.IGNORED
    assert not kinds(pair)


def test_a_large_label_does_not_make_the_rest_differ() -> None:
    """Brightness is compared off the labels alone."""
    image, mask = tiny_reference(0), np.zeros(SIZE, np.uint8)
    mask[:30] = 1
    image[:30] = (255, 0, 255)
    image[30:] += 60
    assert not kinds(labeled(image=image, mask=mask))


def test_nothing_is_said_about_the_labels_of_an_unlabeled_pair() -> None:
    assert not kinds(labeled(mask=np.full(SIZE, checks.IGNORED, np.uint8)))


def test_sizes_are_compared_before_anything_else() -> None:
    [finding] = examine(labeled(reference=tiny_reference(0, (40, 57)))).findings
    assert finding.kind == 'size'
    text = 'i.png: image 56 x 40, reference 57 x 40, mask 56 x 40 pixels'
    assert finding.message == text


def test_equal_pixels_and_groups_across_splits_are_found() -> None:
    pairs = [
        labeled(0, files=['a.png']),
        labeled(1, split='test', group='other', files=['b.png']),
        labeled(0, split='test', group='other', files=['c.png']),
        labeled(2, split='test', files=['d.png']),
        labeled(0, files=['e.png']),  # in the split of its twin
    ]
    report = summarize(map(examine, pairs))
    assert report.num_pairs == {'train': 2, 'test': 3}
    assert [(f.kind, f.file) for f in report.errors] == [
        ('repeated', 'c.png'),
        ('group', 'd.png'),
    ]
    assert 'the same pixels as a.png in the split train' in report.errors[0].message
    assert "group 'all', like a.png in train" in report.errors[1].message


def test_masks_that_take_most_of_their_images_are_doubted() -> None:
    """As if the background had been given the value of a defect."""
    inverted = [
        labeled(seed, mask=1 - labeled().mask, group=str(seed)) for seed in range(3)
    ]
    report = summarize(map(examine, [*inverted, labeled(9), labeled(8)]))
    [finding] = [f for f in report.findings if f.kind == 'implausible']
    assert finding.message.startswith('3 of 5 masks label more than half')
    report = summarize(map(examine, [inverted[0], labeled(9), labeled(8)]))
    assert not [f for f in report.findings if f.kind == 'implausible']


def test_the_worst_are_kept_as_pictures_and_no_more() -> None:
    """Memory does not grow with the pictures of a large set."""

    def examined(number: int) -> Examined:
        severity = (number * 7) % 50
        finding = checks.Finding('unlabelled', 'train', str(number), '', '', severity)
        return Examined(str(number), 'train', '', '', b'', [finding], bytes([number]))

    report = summarize(map(examined, range(50)))
    assert len(report.findings) == 50
    kept = [finding.severity for finding, _ in report.pictures['unlabelled']]
    assert kept == [49, 48, 47, 46, 45, 44]


def test_a_thumbnail_shows_image_reference_and_labels() -> None:
    pair = labeled(reference=np.roll(tiny_reference(0), 2, axis=0))
    seen = examine(pair)
    picture = np.array(Image.open(io.BytesIO(seen.thumbnail)), int)
    assert picture.shape == (SIZE[0], 3 * SIZE[1], 3)
    image, reference, marked = np.split(picture, 3, axis=1)
    assert np.abs(image - pair.image).mean() < 8
    assert np.abs(reference - pair.reference).mean() < 8
    assert marked[SQUARE].mean(axis=(0, 1))[0] > 200 > marked.mean()


def test_every_kind_has_a_remedy() -> None:
    assert all(kind.remedy.endswith('.') and kind.title for kind in KINDS.values())
