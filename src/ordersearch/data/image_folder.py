"""Image folders: one folder for each class, in one folder or in one for each part."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ordersearch.data.arrays import Part, SourceArrays
from ordersearch.data.image_sets import ImageFit, fit_images, read_headers, read_images
from ordersearch.data.images import is_image_name
from ordersearch.data.rows import ImageRows
from ordersearch.errors import DataError, nearest

_PARTS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
_PART_OF = {name: part for part, names in _PARTS.items() for name in names}
_NO_CONTENT = ("thumbs.db", "desktop.ini", "__macosx", "@eadir")
LAYOUT = "FOLDER/<class>/<images>, or FOLDER/train/<class>/<images> with test and val beside train"


@dataclass
class _PartFiles:
    """The images of one part by class, and what else lies there."""

    folder: Path
    classes: dict[str, list[Path]]
    others: list[Path] = field(default_factory=list)

    @property
    def files(self) -> list[Path]:
        return [path for paths in self.classes.values() for path in paths]


def is_image_folder(path: Path) -> bool:
    """Whether an image lies in this folder, or one or two folders below it."""
    return path.is_dir() and _holds_images(path, depth=2)


def read_image_folder(path: Path) -> SourceArrays:
    """The images of ``path/<class>/<files>`` or of ``path/{train,test,val}/<class>/<files>``, classes by name.

    Images are grey when all of them are, else RGB; ``image_sets.fit_images`` holds the rule for sizes. They are an
    array when it fits into memory, else ``rows.ImageRows``, which decodes them batch by batch.

    Raises:
        DataError: A class folder is empty or has folders in it, a part has a class that ``train`` lacks, there are
            fewer than two classes, or a file is no whole image.
    """
    folders, notes = _part_folders(path)
    parts = {part: _part_files(folder) for part, folder in folders.items()}
    train = parts["train"]
    if len(train.classes) < 2:
        raise DataError(
            f"{train.folder}: there is only the class folder {next(iter(train.classes))!r}, but orders are compared "
            f"on two classes or more. An image folder is {LAYOUT}."
        )
    for part in parts.values():
        _require_known_classes(part, train)
    files = {part: found.files for part, found in parts.items()}
    fit = fit_images(read_headers([file for found in files.values() for file in found]), at=str(path))
    numbers = {name: number for number, name in enumerate(train.classes)}
    arrays = {
        part: _read_part(found, numbers, fit, lazy=not fit.is_array(sum(map(len, files.values()))))
        for part, found in parts.items()
    }
    return SourceArrays(
        name=path.resolve().name,
        train=arrays["train"],
        test=arrays.get("test"),
        validation=arrays.get("validation"),
        class_names=tuple(numbers),
        notes=(*notes, *_other_notes(parts), *fit.notes),
        input="image",
    )


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What a person put into this folder, by name: nothing hidden, nothing that a file manager left there."""
    try:
        with os.scandir(folder) as entries:
            kept = [entry for entry in entries if not _is_litter(entry.name)]
    except OSError as error:
        raise DataError(f"{folder}: this folder cannot be read: {error.strerror}.") from error
    return sorted(kept, key=lambda entry: entry.name)


def _folders(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in _entries(folder) if entry.is_dir()]


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in _NO_CONTENT


def _holds_images(folder: Path, depth: int) -> bool:
    entries = _entries(folder)
    return any(is_image_name(entry.name) and entry.is_file() for entry in entries) or (
        depth > 0 and any(_holds_images(Path(entry.path), depth - 1) for entry in entries if entry.is_dir())
    )


def _part_folders(path: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The folder of each part, and notes on what beside them is not read."""
    folders = _folders(path)
    n_images = sum(is_image_name(entry.name) for entry in _entries(path) if not entry.is_dir())
    if not folders:
        raise DataError(
            f"{path}: holds {n_images} images but no class folders, so that their classes are not known. "
            f"An image folder is {LAYOUT}."
        )
    notes = [f"{n_images} images beside the class folders were not read."] if n_images else []
    found: dict[str, Path] = {}
    for folder in folders:
        part = _PART_OF.get(folder.name.lower())
        # A class may be called "train": it has images in it, and a part has folders.
        if part is None or not _folders(folder):
            continue
        if part in found:
            raise DataError(f"{path}: both {found[part].name} and {folder.name} are the {part} part. Keep one of them.")
        found[part] = folder
    if not found:
        return {"train": path}, tuple(notes)
    if "train" not in found:
        names = ", ".join(folder.name for folder in found.values())
        raise DataError(f"{path}: there is no folder train beside {names}. An image folder is {LAYOUT}.")
    unread = [folder.name for folder in folders if folder not in found.values()]
    if unread:
        notes.append(f"Beside {', '.join(folder.name for folder in found.values())}, {', '.join(unread)} was not read.")
    return found, tuple(notes)


def _part_files(folder: Path) -> _PartFiles:
    part = _PartFiles(folder, {})
    for class_folder in _folders(folder):
        part.classes[class_folder.name] = list(_class_images(class_folder, part.others))
    return part


def _class_images(folder: Path, others: list[Path]) -> Iterator[Path]:
    """The images of one class folder; other files go to ``others``."""
    images: list[Path] = []
    unread: list[Path] = []
    for entry in _entries(folder):
        if entry.is_dir():
            raise DataError(
                f"{folder}: has the folder {entry.name!r} in it, but the images of a class lie in its folder itself. "
                f"An image folder is {LAYOUT}."
            )
        (images if is_image_name(entry.name) else unread).append(Path(entry.path))
    if not images:
        beside = f" ({len(unread)} other files, such as {unread[0].name})" if unread else ""
        raise DataError(f"{folder}: this class folder holds no images{beside}. Put some there, or remove the folder.")
    others.extend(unread)
    yield from images


def _require_known_classes(part: _PartFiles, train: _PartFiles) -> None:
    unknown = [name for name in part.classes if name not in train.classes]
    if not unknown:
        return
    close = nearest(unknown[0], train.classes)
    raise DataError(
        f"{part.folder}: {', '.join(map(repr, unknown[:5]))} is no class folder of {train.folder}, so that no network "
        f"could learn it.{f' Did you mean {close[0]!r}?' if close else ''} Add its images to the training part or "
        "remove it."
    )


def _read_part(part: _PartFiles, numbers: Mapping[str, int], fit: ImageFit, *, lazy: bool) -> Part:
    labels = np.repeat([numbers[name] for name in part.classes], [len(paths) for paths in part.classes.values()])
    at = str(part.folder)
    if not lazy:
        # Seen with the channels last, as find_layout tells them for sure; it moves them back without a copy.
        return Part(np.moveaxis(read_images(part.files, fit), 1, -1), labels, at, f"{at}: class folders")
    if fit.kind == "deep":
        raise DataError(
            f"{at}: the images have 16 bits or more a pixel and do not fit into memory as float32. Store them with 8 "
            "bits, or smaller."
        )
    rows = ImageRows(part.files, size=(fit.height, fit.width), mode=fit.mode)
    return Part(rows, labels, at, f"{at}: class folders")


def _other_notes(parts: Mapping[str, _PartFiles]) -> tuple[str, ...]:
    others = [path for part in parts.values() for path in part.others]
    if not others:
        return ()
    shown = ", ".join(sorted({path.name for path in others})[:3]) + (", ..." if len(others) > 3 else "")
    return (f"{len(others)} files in class folders that are no images were not read ({shown}).",)
