"""XML files that annotation tools write: parsed without entities, within a bound."""

import pathlib
import xml.etree.ElementTree as ET


def read_xml(path: pathlib.Path, *, root: str, most_bytes: int) -> ET.Element:
    """The outermost element of the file `path`.

    Args:
        path: the XML file.
        root: the name that its outermost element must have.
        most_bytes: a larger file is something else.

    Raises:
        ValueError: there is no such file, it is too large, not well-formed, declares a
            document type, or its outermost element has another name.
    """
    if not path.is_file():
        raise ValueError(f'{path}: no such file')
    if (length := path.stat().st_size) > most_bytes:
        raise ValueError(f'{path}: {length:,} bytes are too many for an annotation')
    text = path.read_text(encoding='utf-8-sig', errors='replace')
    # Entities can stand for other files, or for a text that fills the memory.
    if '<!DOCTYPE' in text or '<!ENTITY' in text:
        raise ValueError(f'{path}: declares a document type, which is not read')
    try:
        element = ET.fromstring(text)
    except ET.ParseError as error:
        raise ValueError(f'{path}: not well-formed XML ({error})') from None
    if element.tag != root:
        raise ValueError(
            f'{path}: its outermost element is <{element.tag:.40}>, not <{root}>'
        )
    return element
