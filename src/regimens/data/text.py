"""Text files as people have them: packed or not, in whatever encoding."""

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from regimens.core.errors import DataError
from regimens.data.quoting import typed

#: a text in one of these tells so by its first bytes; longer marks first, since UTF-32's begins as UTF-16's does
MARKS = (
    *((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be")),
    *((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")),
)
PACKED: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ\x00": lzma.decompress,
}
EXCEL = b"\xd0\xcf\x11\xe0"  # .xls; an .xlsx is a zip
BROKEN = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError)


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, unpacked where it is packed (gzip, bzip2, xz, or a zip of one file).

    Raises DataError where it cannot be read, or is a spreadsheet.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # a ValueError: a name with a zero byte
        raise DataError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        for magic, unpack in PACKED.items():
            if content.startswith(magic):
                return unpack(content)
        return _of_zip(content, path) if content.startswith(b"PK\x03\x04") else content
    except BROKEN as error:
        raise DataError(f"cannot read {path}: it is packed, and damaged ({error})") from error


def decode(content: bytes, path: Path, encoding: str = "auto") -> tuple[str, str]:
    """`content` as text, and the encoding where that had to be guessed (otherwise an empty string).

    Marks of UTF-8, -16 and -32 are followed; without one, text that is no UTF-8 is taken for Windows-1252 (which
    Latin-1 is a part of). Raises DataError where `encoding` is unknown or wrong, and for what is no text.
    """
    if content.startswith(EXCEL):
        raise DataError(f"{path} is a spreadsheet: save the sheet as .csv")
    if encoding != "auto":
        return _as_told(content, path, encoding), ""
    mark, name = next((one for one in MARKS if content.startswith(one[0])), (b"", ""))
    body, guess = content[len(mark) :], ""
    name = name or _without_mark(body)
    try:
        text = body.decode(name)
    except UnicodeDecodeError as error:
        if name != "utf-8" or mark:
            raise DataError(f"cannot read {path}: it is no whole {name.upper()} text: save it as UTF-8") from error
        text, guess = _windows(body), "Windows-1252"
    return _checked(text, path, strict=bool(guess)), guess or ("" if mark or name == "utf-8" else name.upper())


def _as_told(content: bytes, path: Path, encoding: str) -> str:
    try:
        text = content.decode(encoding)
    except LookupError as error:
        known = "utf-8, utf-16, latin-1, cp1252, cp1251, gbk, shift_jis"
        raise DataError(f"data.encoding={encoding}: no such encoding; choose auto, {known}, ...") from error
    except UnicodeError as error:
        raise DataError(
            f"cannot read {path}: it is no {encoding} text: try {typed('data.encoding', 'auto')}"
        ) from error
    return _checked(text.removeprefix("\ufeff"), path, strict=False)


def _without_mark(body: bytes) -> str:
    """UTF-16 where every other byte of the beginning is zero, as it is in most languages; otherwise UTF-8."""
    start = body[:2000]
    zeros = [start[odd::2].count(0) / max(1, len(start[odd::2])) for odd in (0, 1)]
    return "utf-16-le" if zeros[1] > 0.4 > zeros[0] else "utf-16-be" if zeros[0] > 0.4 > zeros[1] else "utf-8"


def _windows(body: bytes) -> str:
    try:
        return body.decode("cp1252")
    except UnicodeDecodeError:  # five of its bytes stand for nothing
        return body.decode("latin-1")


def _checked(text: str, path: Path, strict: bool) -> str:
    text = text.removesuffix("\x1a")  # an end-of-file mark of DOS
    control = set(text[:100_000]) & {chr(code) for code in range(32) if chr(code) not in "\t\n\r\f\v"}
    if "\x00" in text or (strict and control):
        raise DataError(f"{path} is no text: it holds control characters, as pictures, archives and programs do")
    return text


def _of_zip(content: bytes, path: Path) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if "[Content_Types].xml" in names:
            raise DataError(f"{path} is a spreadsheet: save the sheet as .csv")
        if names and all(name.endswith(".npy") for name in names):
            raise DataError(f"{path} is an .npz of arrays: use data=arrays")
        if len(names) != 1:
            raise DataError(f"{path} is an archive of {len(names)} files: unpack it, and name one")
        try:
            return archive.read(names[0])
        except RuntimeError as error:
            raise DataError(f"cannot read {path}: {error}") from error
