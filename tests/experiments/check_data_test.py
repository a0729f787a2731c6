"""Claims about experiments/check_data.py and its way into prepare_data.py."""

import csv
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

from cadnet_jax.datasets import check_report
from cadnet_jax.datasets.checks import Report
from tests.conftest import ROOT
from tests.support.tiny_pairs import tiny_pair, write, write_tiny_pairs

pytestmark = [pytest.mark.slow, pytest.mark.unoptimized]

SCRIPTS = ROOT / 'experiments'


def command(script: str, *flags: str) -> list[str]:
    return [sys.executable, str(SCRIPTS / f'{script}.py'), *flags]


def run(script: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(script, *flags), capture_output=True, text=True)


def test_from_a_folder_to_prepared_data(tmp_path: pathlib.Path) -> None:
    """A first manifest, the check, the preparation; then nothing is left to do."""
    folder = write_tiny_pairs(tmp_path / 'my pairs')
    (folder / 'classes.csv').unlink()
    first = run('check_data', f'--init_manifest={folder}', '--splits=train=4,test=1')
    assert first.returncode == 0, first.stderr
    written = f'Written: {folder}/classes.csv {folder}/manifest.csv\n'
    assert first.stdout == f'{written}Pairs: 10; without a mask: 0\n'
    with (folder / 'manifest.csv').open(newline='') as file:
        splits = [row['split'] for row in csv.DictReader(file)]
    train, test = splits.count('train'), splits.count('test')
    assert splits == ['train'] * train + ['test'] * test and min(train, test) > 0

    check = tmp_path / 'check'
    flags = (f'--source_dir={folder}', f'--output_dir={check}')
    checked = run('check_data', *flags, '--workers=2')
    assert checked.returncode == 0, checked.stderr
    assert (
        f'pairs: {train} train, {test} test' in checked.stdout
        and '100%' in checked.stderr
    )
    assert {path.name for path in check.iterdir()} == {'findings.csv', 'report.html'}

    flags = ('--dataset=paired_folder', f'--source_dir={folder}')
    output = f'--output_dir={tmp_path}/prepared'
    prepared = run('prepare_data', *flags, output)
    assert prepared.returncode == 0, prepared.stderr
    data_dir = tmp_path / 'prepared/paired_folder/2.0.0'
    assert f'Prepared: {data_dir}' in prepared.stdout
    pixels = rf'pixels of defect_1 +{64 * train} +{64 * test}\n'
    assert re.search(pixels, prepared.stdout)
    assert (data_dir / 'check/report.html').is_file()
    assert checked.stdout.rpartition('Written')[0] in prepared.stderr
    again = run('prepare_data', *flags, output)
    assert f'Already prepared: {data_dir}' in again.stdout, again.stderr

    same = run('check_data', f'--data_dir={data_dir}', f'--output_dir={check}')
    assert same.stdout == checked.stdout, same.stderr


def test_errors_end_in_status_1_and_are_all_written(tmp_path: pathlib.Path) -> None:
    folder = write_tiny_pairs(tmp_path / 'pairs')
    image, _, mask = tiny_pair(0)
    write(folder / 'mask/0.png', mask // 2)
    write(folder / 'image/1.png', image[:, :9])
    (folder / 'reference/2.png').write_bytes(b'')
    flags = (f'--output_dir={tmp_path}/check', '--splits=train=1')
    done = run('check_data', f'--source_dir={folder}', *flags)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith('error: 3 errors, of which the first is ')
    with (tmp_path / 'check/findings.csv').open(newline='') as file:
        rows = {row['kind']: row['file'] for row in csv.DictReader(file)}
    assert rows == {
        'unreadable': f'{folder}/reference/2.png',
        'size': f'{folder}/image/1.png',
        'value': f'{folder}/mask/0.png',
    }


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        ([], 'give one of --source_dir, --data_dir and'),
        (['--source_dir=.', '--init_manifest=.'], 'give one of --source_dir'),
        (['--data_dir=.'], '.: not a prepared data set'),
        (['--source_dir=absent'], 'absent: no such directory'),
        (['--source_dir=.', '--folders=a,b'], '--folders=a,b: three different names'),
        (['--source_dir=.', '--folders=a,,b'], 'three different names are needed'),
        (['--source_dir=.', '--folders=a,a,b'], 'three different names are needed'),
        (['--source_dir=.', '--folders=a,./a/,b'], 'three different names are needed'),
        (['--data_dir=.', '--classes=c.csv'], '--classes is not for --data_dir'),
        (['--data_dir=.', '--workers=2'], '--workers is not for --data_dir'),
        (['--source_dir=.', '--group_by=('], '--group_by=(: not a regular expression'),
        (['--source_dir=.', '--splits=train'], "--splits: 'train' is not NAME=SHARE"),
        (['--source_dir=.', '--splits=a=1,a=2'], "'a=2' is not NAME=SHARE"),
        (['--source_dir=.', '--splits=a=0'], "'a=0' is not NAME=SHARE"),
        (['--source_dir=.', '--splits=prüf=1'], "'prüf' cannot be the name of a split"),
        (['--source_dir=.', '--splits=ALL=1'], "'ALL' cannot be the name of a split"),
        (
            ['--source_dir=.', '--splits=train=1,Train=2'],
            "the split 'Train' also appears with other capitals",
        ),
        (
            ['--source_dir=.', f'--splits={"a" * 41}=1'],
            f"'{'a' * 41}' cannot be the name of a split",
        ),
        (['--source_dir=.', '--without_mask=good'], 'without_mask'),
        (['--source_dir=.', '--workers=0'], 'workers'),
    ],
)
def test_a_wrong_flag_ends_in_one_line_that_names_it(
    flags: list[str], message: str
) -> None:
    done = run('check_data', *flags)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert message in line


@pytest.mark.parametrize(
    ('columns', 'flag', 'decided'),
    [
        ('', '--folders=image,reference,mask', True),
        (',split', '--split_seed=0', True),
        (',split', '--splits=train=1', True),
        (',group', '--group_by=.', True),
        ('', '--splits=train=1', False),
        ('', '--group_by=.', False),
    ],
)
def test_a_flag_is_refused_where_the_manifest_decides(
    columns: str, flag: str, decided: bool, tmp_path: pathlib.Path
) -> None:
    folder = write_tiny_pairs(tmp_path)
    (folder / 'manifest.csv').write_text(
        f'image,reference,mask{columns}\n'
        f'image/1.png,reference/1.png,mask/1.png{columns and ",train"}\n'
    )
    output = f'--output_dir={tmp_path}/check'
    done = run('check_data', f'--source_dir={folder}', flag, output, '--workers=1')
    name = flag.partition('=')[0]
    says = f'error: {name}: {folder}/manifest.csv decides that; leave the flag out'
    assert (says in done.stderr) == decided


@pytest.mark.parametrize('fails', ['--source_dir=absent', '--data_dir=.'])
def test_a_check_that_cannot_be_done_leaves_no_older_report(
    fails: str, tmp_path: pathlib.Path
) -> None:
    check_report.write(Report({'train': 1}, [], {}), tmp_path)
    (tmp_path / 'mine.txt').write_text('all is well')
    assert run('check_data', fails, f'--output_dir={tmp_path}').returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ['mine.txt']


def test_a_place_that_cannot_be_written_is_named_before_images_are_read(
    tmp_path: pathlib.Path,
) -> None:
    folder = write_tiny_pairs(tmp_path / 'pairs')
    place = folder / 'classes.csv'
    done = run('check_data', f'--source_dir={folder}', f'--output_dir={place}')
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f'error: {place}: File exists']


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (['--dataset=paired_folder'], 'paired_folder: source_dir is missing'),
        (['--dataset=paired_folder', '--source_dir=x.zip'], 'x.zip: no such directory'),
        (
            ['--dataset=paired_folder', '--source_dir=.', '--count=3'],
            '--count is for synlcd, synthetic_pairs, not for paired_folder',
        ),
        (
            ['--dataset=deep_pcb', '--source_dir=.', '--workers=3'],
            '--workers is for synlcd, synthetic_pairs, paired_folder, not for deep_pcb',
        ),
    ],
)
def test_flags_of_other_data_sets_are_refused(
    flags: list[str], message: str, tmp_path: pathlib.Path
) -> None:
    done = run('prepare_data', *flags, f'--output_dir={tmp_path}/data')
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert message in line and not (tmp_path / 'data').exists()


def test_an_interruption_leaves_nothing_and_all_can_be_started_again(
    tmp_path: pathlib.Path,
) -> None:
    """As a terminal sends it: to the worker processes as well."""
    folder = write_tiny_pairs(tmp_path / 'pairs')
    image, reference, mask = (p.repeat(9, 0).repeat(9, 1) for p in tiny_pair(0))
    for number in range(150):
        image[0, 0] = number
        write(folder / f'image/n{number}.png', image)
        write(folder / f'reference/n{number}.png', reference)
        write(folder / f'mask/n{number}.png', mask)
    flags = (
        '--dataset=paired_folder',
        f'--source_dir={folder}',
        f'--output_dir={tmp_path}/data',
        '--workers=2',
    )
    with subprocess.Popen(
        command('prepare_data', *flags), stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stderr is not None
        seen = b''
        while not re.search(rb'[1-9]/126', seen):
            seen += (byte := process.stderr.read(1))
            assert byte, seen.decode()
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stderr.read().decode()
        assert process.wait(timeout=60) == 130, rest
    assert rest.splitlines()[-1] == 'interrupted' and 'Traceback' not in rest
    assert not list((tmp_path / 'data').rglob('*2.0.0*'))
    shutil.rmtree(tmp_path / 'pairs/mask')  # labels are not needed for this claim
    again = run('prepare_data', *flags, '--without_mask=unlabelled')
    assert again.returncode == 0, again.stderr
    assert re.search(r'pairs +126 +15 +19\n', again.stdout)


def test_worker_processes_import_neither_jax_nor_tfds() -> None:
    code = (
        f'import sys; sys.path.append({str(SCRIPTS)!r});'
        'import check_data, cadnet_jax.datasets.paired_folder.pair_reading;'
        'print({"jax", "tensorflow_datasets", "scipy", "jinja2"} & set(sys.modules))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout.strip() == 'set()', done.stderr
