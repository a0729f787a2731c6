"""The notebook runs from top to bottom on a fresh kernel, and is stored clean."""

import pathlib
from typing import Any

import nbclient
import nbformat
import pytest

from tests.conftest import ROOT
from tests.support.tiny_data import CLASS_NAMES, prepare_tiny
from tests.support.tiny_run import write_run

pytestmark = pytest.mark.slow

NOTEBOOK = ROOT / 'notebooks' / 'inspect_pairs.ipynb'


@pytest.fixture
def notebook() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_the_notebook_is_valid_and_without_outputs(
    notebook: nbformat.NotebookNode,
) -> None:
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get('outputs') and cell.get('execution_count') is None


@pytest.mark.filterwarnings('default')  # those of Jupyter's own packages
def test_the_notebook_shows_pairs_of_a_run(
    notebook: nbformat.NotebookNode,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data_dir = prepare_tiny(tmp_path / 'data', num={'train': 1, 'val': 1, 'test': 3})
    workdir = write_run(tmp_path / 'run', data_dir=data_dir)
    monkeypatch.setenv('CADNET_WORKDIR', str(workdir))
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    nbclient.NotebookClient(notebook, kernel_name='python3', timeout=300).execute()
    outputs = [o for cell in notebook.cells for o in cell.get('outputs', [])]
    pictures = [o for o in outputs if 'image/png' in o.get('data', {})]
    assert len(pictures) == 3 + 1
    text = ''.join(o['text'] for o in outputs if o.output_type == 'stream')
    assert f'{workdir}, step 0' in text
    assert ', '.join(CLASS_NAMES) in text
    assert text.count(' defects\n') == 3
