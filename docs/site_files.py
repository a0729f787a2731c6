"""The pages of the site (`make docs`) that are kept elsewhere, and links to them."""

import pathlib
import posixpath
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = pathlib.Path(__file__).parents[1]

# Name on the site -> file in the repository.
PAGES = {
    'index.md': 'README.md',
    'contributing.md': 'CONTRIBUTING.md',
    'changelog.md': 'CHANGELOG.md',
    'model_card.md': 'cadnet_jax/weights/released_weights/CARD.md',
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name, path in PAGES.items():
        files.append(File.generated(config, name, content=(ROOT / path).read_text()))
    return files


def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Links are written as the repository has its files; the site has others."""
    source = PAGES.get(page.file.src_uri, f'docs/{page.file.src_uri}')
    names = {path: name for name, path in PAGES.items()}

    def link(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1]))
        return f']({names.get(path, path.removeprefix("docs/"))}{match[2] or ""})'

    return re.sub(r'\]\(((?!https?:|#)[^)#]+)(#[^)]*)?\)', link, markdown)
