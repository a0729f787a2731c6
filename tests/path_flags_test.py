"""Claims about flags that name files and folders."""

import ast
import dataclasses
import pathlib

import pytest
from absl import flags

from cadnet_jax import config
from cadnet_jax.path_flags import define_path, define_paths
from tests.conftest import ROOT

# Strings that name no file. Any other flag of a script is a path.
NO_PATHS = {
    *('choose', 'compare', 'data', 'group_by', 'nuisance', 'split', 'step'),
    *('calibrate', 'fit_split', 'good_split', 'method', 'not_good', 'set'),
    *('choose_split', 'only_head', 'test_good_split', 'test_split', 'tiling', 'view'),
    *('folders', 'splits'),  # names within the source
}


def parse(argument: str, default: str | None) -> str:
    values = flags.FlagValues()
    holder = define_path('path', default, 'A path.', flag_values=values)
    values(['command', f'--path={argument}'])
    return holder.value


def test_a_tilde_is_the_users_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """No shell expands it behind '='; elsewhere in a name it stands for itself."""
    monkeypatch.setenv('HOME', '/home/me')
    assert parse('~/runs', None) == '/home/me/runs'
    assert parse('~', '') == '/home/me'
    assert parse('a/~/b~', None) == 'a/~/b~'
    assert parse('released', 'released') == 'released'


def test_each_of_several_paths_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('HOME', '/home/me')
    values = flags.FlagValues()
    holder = define_paths('path', 'Paths.', flag_values=values)
    values(['command'])
    assert holder.value == []
    values(['command', '--path=~/a', '--path=b~'])
    assert holder.value == ['/home/me/a', 'b~']


@pytest.mark.parametrize('default', [None, 'prepared'])
def test_an_empty_path_is_refused(default: str | None) -> None:
    """An unset variable of a shell does not mean the current folder."""
    with pytest.raises(flags.Error, match='--path=: it is empty; name the directory'):
        parse('', default)


def test_a_path_that_need_not_be_given_may_be_empty() -> None:
    assert parse('', '') == ''


def _string_flags(path: pathlib.Path) -> set[str]:
    """Names of the flags that a file defines with absl's own kinds of strings."""
    return {
        call.args[0].value
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        if isinstance(call.func, ast.Attribute)
        if call.func.attr in ('DEFINE_string', 'DEFINE_list', 'DEFINE_multi_string')
        if isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


@pytest.mark.parametrize('folder', ['experiments', 'datasets', 'cadnet_jax'])
def test_every_flag_for_a_path_expands_the_home(folder: str) -> None:
    found = set[str]()
    for path in (ROOT / folder).rglob('*.py'):
        found |= _string_flags(path)
    assert found <= NO_PATHS


def test_the_settings_that_are_paths_are_marked() -> None:
    """Their flags are made from the fields."""
    paths = {
        field.name
        for section in dataclasses.fields(config.Config)
        for field in config.fields_of(section)
        if field.metadata['is_path']
    }
    assert paths == {'data_dir', 'init_from'}


def test_a_directory_is_no_file_to_write(tmp_path: pathlib.Path) -> None:
    """It is found before the work whose result could not be written."""
    values = flags.FlagValues()
    holder = define_path('output', 'a.json', 'A.', is_file=True, flag_values=values)
    with pytest.raises(flags.Error, match='it is a directory; name a file in it'):
        values(['script', f'--output={tmp_path}'])
    values(['script', f'--output={tmp_path}/b.json'])
    assert holder.value == f'{tmp_path}/b.json'
