"""driver: the documents of a folder, as their files are or without markup, and cut into pieces."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

from murakkab.catalog import Quote
from murakkab.errors import ExecutorError
from murakkab.local_files import path_of
from murakkab.steps import check_cancelled, spend
from murakkab_executors import capabilities
from murakkab_executors.capabilities import Chunk, Document
from murakkab_executors.function import Knob, executor, require
from murakkab_executors.words import sentences_of

_TEXTS: Final = (".md", ".markdown", ".txt", ".text", ".rst")
_PDF: Final = ".pdf"
_MARKDOWN: Final = (".md", ".markdown")
MaxBytes = Annotated[int, Knob("refuse longer files", low=0)]

#: What Markdown writes around text, and what is left of it.
_MARKUP: Final = (
    (re.compile(r"\A---\n.*?\n---\n", re.DOTALL), ""),  # front matter
    (re.compile(r"<!--.*?-->", re.DOTALL), ""),
    (re.compile(r"^(`{3,}|~{3,}).*$", re.MULTILINE), ""),
    (re.compile(r"!\[[^\]]*\]\([^)]*\)"), ""),
    (re.compile(r"\[([^\]]+)\]\([^)]*\)"), r"\1"),
    (re.compile(r"^[ \t]*\|?[ \t:|-]*-{3,}[ \t:|-]*$\n?", re.MULTILINE), ""),  # the line below the head of a table, and rules
    # A heading, an item of a list and a row of a table are sentences of their own.
    (re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*#*$", re.MULTILINE), r"\n\1.\n"),
    (re.compile(r"^[ \t]*(?:[-*+]|\d+[.)])[ \t]+(.+?)[.;,]?$", re.MULTILINE), r"\1."),
    (re.compile(r"^[ \t]*\|(.+)\|[ \t]*$", re.MULTILINE), lambda row: ": ".join(cell.strip() for cell in row[1].split("|")) + "."),
    (re.compile(r"(\*\*|__|(?<!\w)[*_]|[*_](?!\w)|`)"), ""),
    (re.compile(r"^>\s?", re.MULTILINE), ""),
    (re.compile(r"\n{3,}"), "\n\n"),
)


@executor(
    capabilities.document_loading, name="clean-documents", effect="read", quote=Quote(seconds=0.002, quality=0.567, source="measured")
)
def clean_documents(folder: str, *, max_bytes: MaxBytes = 16_777_216) -> list[Document]:
    """Read text, Markdown and PDF files; Markdown loses its markup, and its headings, items and rows become sentences.

    A PDF file takes the library that `murakkab[documents]` brings. Measured for 6 documents of 1,500 characters.
    """
    return _documents(folder, (*_TEXTS, _PDF), max_bytes, is_plain=False)


@executor(
    capabilities.document_loading, name="plain-documents", effect="read", quote=Quote(seconds=0.0006, quality=0.538, source="measured")
)
def plain_documents(folder: str, *, max_bytes: MaxBytes = 16_777_216) -> list[Document]:
    """Read text and Markdown files as they are, markup and all. Measured for 6 documents of 1,500 characters."""
    return _documents(folder, _TEXTS, max_bytes, is_plain=True)


def _documents(folder: str, suffixes: tuple[str, ...], max_bytes: int, *, is_plain: bool) -> list[Document]:
    root = path_of(folder) if folder else None
    if root is None or not root.is_dir():
        raise _wrong(f"{folder!r} is not a folder of this machine", hint="give the path of a folder with documents")
    found = []
    for path in sorted(root.rglob("*")):
        check_cancelled()
        if path.suffix.lower() in suffixes and path.is_file():
            if path.stat().st_size > max_bytes:
                raise _wrong(f"{path} is longer than {max_bytes} bytes", hint="raise the knob max_bytes")
            found.append(Document(path.relative_to(root).as_posix(), _text_of(path, is_plain=is_plain)))
    if not found:
        raise _wrong(f"{folder} holds no document", hint=f"there must be files that end in {', '.join(suffixes)}")
    spend(units=len(found))
    return found


def _text_of(path: Path, *, is_plain: bool) -> str:
    if path.suffix.lower() == _PDF:
        return _pdf_text(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _wrong(f"{path} is not text in UTF-8: {error}", hint="convert it, or move it out of the folder") from error
    return text if is_plain or path.suffix.lower() not in _MARKDOWN else without_markup(text)


def _pdf_text(path: Path) -> str:
    pypdf = require("pypdf", "documents")
    try:
        return "\n\n".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
    except pypdf.errors.PyPdfError as error:
        raise _wrong(f"{path} cannot be read: {error}", hint="open it to see whether it is whole and not encrypted") from error


def without_markup(text: str) -> str:
    """Return a Markdown text without its markup; headings, items of lists and rows of tables end with a full stop."""
    for pattern, left in _MARKUP:
        text = pattern.sub(left, text)
    return text.strip()


# ------------------------------------------------------------------------------------------------------------------ chunks


@executor(capabilities.chunking, name="sentence-chunks", effect="pure", quote=Quote(seconds=0.0007, quality=0.576, source="measured"))
def sentence_chunks(
    documents: list[Document],
    size: int,
    *,
    repeated: Annotated[int, Knob("sentences at the end of a chunk that the next one begins with", low=0, high=5)] = 0,
) -> list[Chunk]:
    """Fill each chunk with whole sentences. One that is longer than a chunk is cut between words.

    Measured for 6 documents of 1,500 characters.
    """
    _check(size)
    spend(units=sum(len(document.text) for document in documents))
    return [chunk for document in documents for chunk in _filled(document, size, repeated)]


@executor(capabilities.chunking, name="window-chunks", effect="pure", quote=Quote(seconds=0.0001, quality=0.558, source="measured"))
def window_chunks(documents: list[Document], size: int) -> list[Chunk]:
    """Cut after so many characters, at the last blank before, wherever a sentence ends. Measured for 6 documents of 1,500 characters."""
    _check(size)
    spend(units=sum(len(document.text) for document in documents))
    return [Chunk(one.name, start, one.text[start:end].strip()) for one in documents for start, end in _windows(one.text, size)]


def _filled(document: Document, size: int, repeated: int) -> Iterator[Chunk]:
    held: list[str] = []
    start = place = fresh = 0
    for sentence in _pieces(document.text, size):
        if fresh and sum(map(len, held)) + len(held) + len(sentence) > size:
            yield Chunk(document.name, start, " ".join(held))
            held, fresh = held[-repeated:] if repeated else [], 0
            if sum(map(len, held)) + len(held) + len(sentence) > size:
                held = []
        # Blanks differ between the sentence and the text: its first word is where it begins.
        place = max(place, document.text.find(sentence.split()[0], place))
        if not held:
            start = place
        held.append(sentence)
        fresh += 1
        place += 1
    if fresh:
        yield Chunk(document.name, start, " ".join(held))


def _pieces(text: str, size: int) -> Iterator[str]:
    for sentence in sentences_of(text):
        if len(sentence) <= size:
            yield sentence
        else:
            yield from (piece for start, end in _windows(sentence, size) if (piece := sentence[start:end].strip()))


def _windows(text: str, size: int) -> Iterator[tuple[int, int]]:
    """Yield where pieces of up to *size* characters begin and end that are not blank; they lie side by side."""
    start = 0
    while start < len(text):
        end = min(len(text), start + size)
        if end < len(text) and not text[end].isspace():
            blank = max(text.rfind(" ", start, end), text.rfind("\n", start, end))
            end = blank + 1 if blank > start else end
        if text[start:end].strip():
            yield start, end
        start = end


def _check(size: int) -> None:
    if size < 1:
        raise _wrong(f"size is {size}, and must be at least 1")


def _wrong(message: str, *, hint: str = "") -> ExecutorError:
    return ExecutorError(message, hint=hint, reason="bad-input", retryable=False)


EXECUTORS: Final = (clean_documents, plain_documents, sentence_chunks, window_chunks)
