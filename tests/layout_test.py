"""The layout: which way imports point, what is installed, how long a script is."""

import ast
import configparser
import pathlib
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter

import pytest

ROOT = pathlib.Path(__file__).parents[1]

# A room imports only rooms before it; '' are the modules that stand in none.
ROOMS = (
    'files',
    '',
    'data',
    'models',
    'runs',
    'weights',
    'pictures',
    'inference',
    'evaluation',
    'inspection',
    'training',
    'reports',
    'benchmarks',
)
# Settings read the table of heads, which names settings in types alone and imports a
# network when it builds it.
EXCEPTIONS = {
    ('config', 'models.heads'),
    ('model_config', 'models.heads'),
    ('models.heads', 'model_config'),
    ('models.heads', 'models.cadnet'),
    ('models.heads', 'models.rivals.segmenter'),
    ('models.heads', 'models.rivals.unet'),
}
# What builders share with the library: how a bad image file is reported, how changes
# are painted, what labels mean, how a shift is estimated, and how what was prepared is
# read.
OPEN_TO_BUILDERS = {
    'data.label_checks',
    'data.labels',
    'data.nuisance',
    'data.painting',
    'data.pair_source',
    'data.shifts',
    'data.transforms',
    'files.atomic',
    'files.csv_files',
    'files.disk',
    'files.images',
    'files.text',
    'path_flags',
}
MAX_SCRIPT_LINES = 72  # each library module that it calls is imported by a line


def _sources(*folders: str) -> list[pathlib.Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob('*.py'))


def _module(path: pathlib.Path) -> str:
    """`cadnet_jax/models/layers.py` -> `models.layers`."""
    return '.'.join(path.relative_to(ROOT / 'cadnet_jax').with_suffix('').parts)


def _imports(node: ast.AST) -> Iterator[str]:
    """Dotted names that `node` imports, at any depth.

    `from a.b import c` gives `a.b.c`, since c may be a module.
    """
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert not child.level, f'line {child.lineno}: imports here are absolute'
            yield from (f'{child.module}.{alias.name}' for alias in child.names)


def _imported_modules(path: pathlib.Path) -> set[str]:
    """The library's modules that a file imports, without `cadnet_jax.`."""
    found = set()
    for name in _imports(ast.parse(path.read_text())):
        package, *parts = name.split('.')
        if package != 'cadnet_jax':
            continue
        for length in (3, 2, 1):
            candidate = ROOT.joinpath('cadnet_jax', *parts[:length])
            if len(parts) >= length and candidate.with_suffix('.py').is_file():
                found.add('.'.join(parts[:length]))
                break
        else:
            found.add('.'.join(parts))
    return found


def _packages_on_disk() -> dict[str, str]:
    """Package name -> its folder, relative to the repository."""
    folders = sorted({path.parent for path in _sources('cadnet_jax', 'datasets')})
    names = {}
    for folder in folders:
        relative = folder.relative_to(ROOT).as_posix()
        name = relative.replace('/', '.')
        if relative.startswith('datasets'):
            name = f'cadnet_jax.{name}'
        names[name] = relative
    return names


LIBRARY = [path for path in _sources('cadnet_jax') if path.name != '__init__.py']


def _room(module: str) -> str:
    """`models.kernels.operations` -> `models`."""
    return module.partition('.')[0] if '.' in module else ''


def _edges(files: Iterable[pathlib.Path]) -> dict[str, set[str]]:
    """Module -> the modules that it imports, without the exceptions."""
    return {
        module: {
            name for name in _imported_modules(path) if (module, name) not in EXCEPTIONS
        }
        for path in files
        for module in [_module(path)]
    }


def test_the_order_names_the_rooms_that_exist() -> None:
    """A new room is given its place in ROOMS; one that went leaves it."""
    assert {_room(_module(path)) for path in LIBRARY} == set(ROOMS)
    assert len(set(ROOMS)) == len(ROOMS)


@pytest.mark.parametrize('path', LIBRARY, ids=_module)
def test_imports_point_one_way(path: pathlib.Path) -> None:
    """From a room to itself, and to rooms before it."""
    module = _module(path)
    known = ROOMS[: ROOMS.index(_room(module)) + 1]
    found = _edges([path])[module]
    assert not {name for name in found if _room(name) not in known}


def test_no_room_has_a_circle() -> None:
    """Nor has the library, as rooms import one way: its modules have an order."""
    assert len(list(TopologicalSorter(_edges(LIBRARY)).static_order())) >= len(LIBRARY)


def test_a_circle_would_be_seen() -> None:
    with pytest.raises(CycleError):
        TopologicalSorter({'a': {'b'}, 'b': {'c'}, 'c': {'a'}}).prepare()


def test_the_exceptions_are_needed() -> None:
    imports = {_module(path): _imported_modules(path) for path in LIBRARY}
    assert all(name in imports[module] for module, name in EXCEPTIONS)


def test_an_import_against_the_order_would_be_seen(tmp_path: pathlib.Path) -> None:
    """The three ways of writing an import, also inside a function."""
    file = tmp_path / 'example.py'
    file.write_text(
        'import cadnet_jax.evaluation.evaluate\n'
        'from cadnet_jax import config\n'
        'def f():\n'
        '    from cadnet_jax.models.layers import Conv\n'
        '    from cadnet_jax.models.kernels.operations import gelu\n'
        '    from cadnet_jax.datasets import deep_pcb\n'
    )
    assert _imported_modules(file) == {
        'evaluation.evaluate',
        'config',
        'models.layers',
        'models.kernels.operations',
        'datasets.deep_pcb',
    }


@pytest.mark.parametrize('path', _sources('cadnet_jax'), ids=_module)
def test_the_library_never_imports_a_builder(path: pathlib.Path) -> None:
    """Prepared directories are the only thing that passes between the two."""
    assert not {m for m in _imported_modules(path) if m.startswith('datasets')}


@pytest.mark.parametrize('path', _sources('datasets'), ids=lambda path: path.stem)
def test_builders_do_not_depend_on_the_library(path: pathlib.Path) -> None:
    library = {m for m in _imported_modules(path) if not m.startswith('datasets')}
    assert library <= OPEN_TO_BUILDERS


def test_neither_tensorflow_nor_torch_is_needed() -> None:
    """TensorFlow is imported nowhere; torch in functions: to read, and to compare."""
    found = set()
    for path in _sources('cadnet_jax', 'datasets', 'experiments'):
        tree = ast.parse(path.read_text())
        functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
        lazy = {name for function in functions for name in _imports(function)}
        for name in _imports(tree):
            root = name.split('.')[0]
            if root in ('tensorflow', 'torch', 'transformers'):
                found.add((path.name, root, name in lazy))
    assert found == {
        ('pretrained.py', 'torch', True),
        ('workloads_torch.py', 'torch', True),
        ('workloads_torch.py', 'transformers', True),
    }


def test_setup_cfg_lists_the_packages_on_disk() -> None:
    """What is not listed would be missing from an installation, silently."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / 'setup.cfg')
    options = parser['options']
    folders = dict(
        line.split(' = ') for line in options['package_dir'].strip().splitlines()
    )
    assert folders == _packages_on_disk()
    assert sorted(options['packages'].split()) == sorted(folders)


def test_setup_cfg_lists_the_files_that_are_no_modules() -> None:
    """Such as templates, which an installation needs as well."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / 'setup.cfg')
    listed = {
        path
        for package, patterns in parser['options.package_data'].items()
        for pattern in patterns.split()
        for path in ROOT.joinpath(*package.split('.')).glob(pattern)
    }
    assert listed == {
        path
        for path in (ROOT / 'cadnet_jax').rglob('*')
        if path.is_file() and path.suffix not in ('.py', '.pyc')
    }


@pytest.mark.parametrize('package', _packages_on_disk().items(), ids=lambda p: p[0])
def test_every_package_has_an_init(package: tuple[str, str]) -> None:
    assert (ROOT / package[1] / '__init__.py').is_file()


@pytest.mark.parametrize('path', _sources('experiments'), ids=lambda path: path.stem)
def test_scripts_are_thin(path: pathlib.Path) -> None:
    """Flags, a configuration, one call of the library."""
    assert len(path.read_text().splitlines()) <= MAX_SCRIPT_LINES


def test_names_of_files_suit_every_system() -> None:
    """Windows forbids `:` and others in names, and shells give many a meaning."""
    if not (ROOT / '.git').exists() or not shutil.which('git'):
        pytest.skip('no Git repository')
    command = ['git', 'ls-files', '-z']
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    names = listed.stdout.decode().split('\0')[:-1]
    assert 'setup.cfg' in names
    assert [n for n in names if not re.fullmatch(r'[A-Za-z0-9._/-]+', n)] == []


@pytest.mark.parametrize('path', _sources('tests'), ids=lambda path: path.stem)
def test_tests_use_public_names(path: pathlib.Path) -> None:
    """Nothing private of another module, neither by import nor as an attribute."""
    tree = ast.parse(path.read_text())
    modules = {
        alias.asname or alias.name.rpartition('.')[2]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom | ast.Import)
        for alias in node.names
    }
    imported = {name.rpartition('.')[2] for name in _imports(tree)}
    attributes = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in modules
    }
    patched = {
        node.args[1].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == 'setattr'
        and isinstance(node.args[0], ast.Name)
        and node.args[0].id in modules
        and isinstance(node.args[1], ast.Constant)
    }
    names = imported | attributes | patched
    private = {str(name) for name in names if re.match(r'_[^_]', str(name))}
    assert private - {'_exit', '_asdict', '_fields', '_replace', '_make'} == set()


def test_tests_stand_in_the_rooms_of_what_they_test() -> None:
    """Helpers in support/; what tests the whole, and modules in no room, at the top."""
    folders = {
        path.parent.relative_to(ROOT / 'tests').parts for path in _sources('tests')
    }
    rooms = {parts[0] for parts in folders if parts}
    assert rooms == {*filter(None, ROOMS), 'datasets', 'experiments', 'support'}
    helpers = [
        path.name
        for path in _sources('tests')
        if not path.name.endswith('_test.py') and path.name != '__init__.py'
    ]
    assert 'conftest.py' in helpers
    assert {path.name for path in _sources('tests/support')} | {'conftest.py'} == {
        *helpers,
        '__init__.py',
    }


def test_contributing_names_every_room_and_every_helper_of_tests() -> None:
    text = (ROOT / 'CONTRIBUTING.md').read_text()
    table = text.partition('| room |')[2].partition('\n\n')[0]
    rooms = re.findall(r'^\| `([a-z]+)` \|', table, re.MULTILINE)
    assert rooms == [room for room in ROOMS if room]
    helpers = {path.stem for path in _sources('tests/support')} - {'__init__'}
    assert {name for name in helpers if f'`{name}`' not in text} == set()
