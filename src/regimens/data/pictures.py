"""Pictures on disk: which files they are, and their pixels, of one size and number of channels."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from regimens.core.errors import DataError
from regimens.data.arrays import Array
from regimens.data.quoting import typed

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm"})
GREY = frozenset({"1", "L", "LA"})
DEEP = ("I", "F")  # more than 8 bits, which would be cut
ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)  # of EXIF
BYTES = 5  # of a pixel's value in training: as it is read, and as float32
FREE = 0.8  # of the memory that is free may be taken


@dataclass(frozen=True)
class Form:
    """(height, width) and channels (1 or 3) of pictures; whether others are brought to them, or refused."""

    size: tuple[int, int]
    channels: int
    resize: bool = False
    recolor: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an example: no axis for a single channel."""
        return self.size if self.channels == 1 else (*self.size, self.channels)


def listed(folder: Path) -> list[Path]:
    """The pictures in a folder and the folders in it, by name; hidden files and other endings do not count."""
    try:
        found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror or error}") from error
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def form_of(paths: Sequence[Path], size: object, channels: object) -> Form:
    """The form that `paths` are to have: as given, else the one that all have.

    Raises DataError where they differ in size, and for a size or number of channels that makes no sense.
    """
    given, colors = _size(size), _channels(channels)
    looks = [_look(path) for path in paths]
    sizes = Counter(look[0] for look in looks)
    if given is None and len(sizes) > 1:
        (common, _), (other, _) = sizes.most_common(2)
        odd = next(path for path, look in zip(paths, looks, strict=True) if look[0] == other)
        example = typed("data.size", [str(common[0]), str(common[1])]).replace('"', "")
        raise DataError(
            f"{odd} is {_text(other)}, most are {_text(common)}, of {len(sizes)} sizes in all: say one with {example}"
        )
    found = 1 if all(look[1] in GREY for look in looks) else 3
    return Form(given or next(iter(sizes)), colors or found, given is not None, bool(colors) or found == 3)


def refuse_too_many(count: int, form: Form) -> None:
    """Raise DataError where so many pictures do not fit into the free memory, with what would."""
    import psutil

    needed, free = count * int(np.prod(form.shape)) * BYTES, psutil.virtual_memory().available
    if needed > FREE * free:
        side = max(8, int(min(form.size) * (FREE * free / needed) ** 0.5) // 8 * 8)
        example = typed("data.size", [str(side), str(side)]).replace('"', "")
        raise DataError(
            f"{count} pictures of {_text(form.size)} take {needed / 2**30:.1f} GiB, all at once in memory, "
            f"of which {free / 2**30:.1f} GiB are free: give a smaller size, as in {example}, or fewer pictures"
        )


def read(paths: Sequence[Path], form: Form) -> Array:
    """(N, *form.shape) uint8 pixels.

    Raises DataError for a file that is damaged, or, where that is not to be changed, of another size or in colours.
    """
    pixels = np.empty((len(paths), *form.shape), dtype=np.uint8)
    for place, path in enumerate(paths):
        pixels[place] = _pixels(path, form)
    return pixels


def _pixels(path: Path, form: Form) -> Array:
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            size = (image.height, image.width)
            if size != form.size and not form.resize:
                raise DataError(f"{path} is {_text(size)}, where pictures of {_text(form.size)} are taken")
            if form.channels == 1 and image.mode not in GREY and not form.recolor:
                raise DataError(f"{path} is in colours, where grey pictures are taken")
            image = image.convert("L" if form.channels == 1 else "RGB")
            return np.asarray(image if size == form.size else image.resize(form.size[::-1], Image.Resampling.BILINEAR))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"cannot read {path}: it is no whole picture ({str(error).splitlines()[0]})") from error


def _look(path: Path) -> tuple[tuple[int, int], str]:
    """(height, width) and mode of a picture, from its first bytes. Raises DataError where it is none, or too deep."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            turned = image.getexif().get(ORIENTATION) in SIDEWAYS
            size, mode = (image.width, image.height) if turned else (image.height, image.width), image.mode
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"cannot read {path}: it is no picture ({str(error).splitlines()[0]})") from error
    if mode.startswith(DEEP):
        raise DataError(f"{path} has more than 8 bits a channel ({mode}), which would be cut: save it with 8")
    return size, mode


def _size(size: object) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = [size, size] if isinstance(size, int) else size
    if isinstance(sides, list | tuple) and len(sides) == 2 and all(type(one) is int and one > 0 for one in sides):
        return int(sides[0]), int(sides[1])
    raise DataError(f"data.size={size}: give [height, width], as in data.size='[32, 32]'")


def _channels(channels: object) -> int:
    if channels is None:
        return 0
    if channels in (1, 3) and isinstance(channels, int):
        return channels
    raise DataError(f"data.channels={channels}: give 1 for grey pictures, 3 for colours")


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
