"""results.html: all parts of a run on one page that needs no other file."""

import pathlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cadnet_jax.files.atomic import write_text
from cadnet_jax.files.images import read_image
from cadnet_jax.files.pages import render_page
from cadnet_jax.files.text import read_object
from cadnet_jax.inspection.results import SEVERITY, defects_of, file_name
from cadnet_jax.pictures.embedded import embed_jpeg

_WIDTH = 480  # pixels of a picture
_MOST_PICTURES = 400  # the page of 2,000 parts stays below some 20 MB


def write_page(
    folder: pathlib.Path, results: Sequence[Mapping[str, Any]], bound: str
) -> None:
    """Writes results.html: NG first, then INVALID, then OK; each by its score.

    Pictures are those of overlays/, reduced, of the parts that are not OK. Others are
    linked. `bound` is what `describe_bound` says of the recipe.
    """
    ordered = sorted(results, key=_rank)
    page = render_page(
        'cadnet_jax.inspection',
        'results.html',
        run=read_object(folder / 'run.json', remedy='Take another folder.'),
        counts={
            verdict: Counter(part['verdict'] for part in results)[verdict]
            for verdict in reversed(SEVERITY)
        },
        bound=bound,
        parts=[_entry(folder, part, n) for n, part in enumerate(ordered)],
    )
    write_text(folder / 'results.html', page)


def _rank(part: Mapping[str, Any]) -> tuple[int, float, str]:
    scores = [defect['defect_score'] for defect in defects_of(part)]
    return -SEVERITY.index(part['verdict']), -max(scores, default=0), part['part']


def _entry(
    folder: pathlib.Path, part: Mapping[str, Any], number: int
) -> dict[str, Any]:
    names = [file_name(part['part'], view) for view in part['views']]
    files = [folder / 'overlays' / f'{name}.png' for name in names]
    files = [file for file in files if file.exists()]
    embedded = part['verdict'] != 'OK' and number < _MOST_PICTURES
    return {
        'name': part['part'],
        'verdict': part['verdict'],
        'reasons': part['reasons'],
        'images': [view['image'] for view in part['views'].values() if view['image']],
        'links': [f'overlays/{file.name}' for file in files],
        'pictures': [
            embed_jpeg(read_image(file), width=_WIDTH) for file in files if embedded
        ],
    }
