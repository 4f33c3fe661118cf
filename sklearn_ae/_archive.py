"""Files that saved estimators are: zip archives of which each byte that counts is accounted for."""

import os
import re
import stat
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from sklearn_ae.exceptions import LoadError

# What lists the others, as `sha256sum` does.
_DIGESTS = "SHA256SUMS"
_MOST_MEMBERS = 10_000
# What is written beside its place: how much of the name is kept, and after how long it is a rest.
_MOST_LETTERS, _LEFT_SECONDS = 50, 86_400.0
_DATE = (1980, 1, 1, 0, 0, 0)  # the same estimator is the same file
# All that zipfile raises for files that are none, or damaged.
_DAMAGE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    ArithmeticError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    UnicodeError,
    ValueError,
)


def write(path: Path, members: Mapping[str, bytes]) -> None:
    """Write an archive beside its place, and put it there whole.

    Whatever happens on the way, what was there before is as it was.

    Raises
    ------
    OSError
        If it can't be written, as on a full disk.
    """
    digests = "".join(f"{sha256(of).hexdigest()}  {name}\n" for name, of in members.items())
    with _beside(path) as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, content in {**members, _DIGESTS: digests.encode()}.items():
                archive.writestr(zipfile.ZipInfo(name, _DATE), content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _beside(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write to that takes the place of another once nothing has failed.

    It is of one writer alone, and no link. A link in that place stays one, to the new file, which
    has the permissions of the old one where the disk lets it.
    """
    path = Path(os.path.realpath(path))
    kept = path.name[:_MOST_LETTERS]
    beside = path.parent / f".{kept}.{token_hex(8)}.part"
    _remove_left(path.parent, kept)
    try:
        with beside.open("xb") as file:
            if os.name == "posix":
                with suppress(OSError):
                    old = path.stat()
                    beside.chmod(stat.S_IMODE(old.st_mode))
                    os.chown(beside, old.st_uid, old.st_gid)
            yield file
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    _sync_folder(path.parent)


def _remove_left(folder: Path, kept: str) -> None:
    """Remove what writers left that were killed, once hardly any can be writing still."""
    is_part = re.compile(rf"\.{re.escape(kept)}\.[0-9a-f]{{16}}\.part").fullmatch
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if is_part(entry.name) and time.time() - entry.stat().st_mtime > _LEFT_SECONDS:
                os.unlink(entry)


def _sync_folder(folder: Path) -> None:
    """Have the disk know the new name, where folders can be opened."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read(path: Path) -> dict[str, bytes]:
    """Read an archive, all of whose members are what was written.

    Nothing is decompressed, since nothing was compressed, so that it takes no more memory than
    the file is long.

    Raises
    ------
    LoadError
        If it is no archive, is damaged, or holds something else.
    FileNotFoundError
        If there is no file.
    """
    members = members_of(path.read_bytes(), path)
    if _DIGESTS not in members:
        raise LoadError(f"{path}: there is no {_DIGESTS}, so that nothing says what is damaged.")
    digests = members.pop(_DIGESTS)
    for name, content in members.items():
        if f"{sha256(content).hexdigest()}  {name}\n".encode() not in digests:
            raise LoadError(f"{path}: {name} is damaged: its digest is another.")
    if digests.count(b"\n") != len(members):
        raise LoadError(f"{path}: it lacks some of what {_DIGESTS} lists.")
    return members


def members_of(content: bytes, name: object) -> dict[str, bytes]:
    """Give the members of an archive, all of a kind that is written.

    Raises
    ------
    LoadError
        If it is none, or one of its members is of a kind that is never written.
    """
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            infos = archive.infolist()
            _check_infos(infos, len(content), name)
            return {info.filename: archive.read(info) for info in infos}
    except LoadError:
        raise
    except _DAMAGE as error:
        raise LoadError(f"{name}: it is damaged, or no archive: {error}") from error


def _check_infos(infos: list[zipfile.ZipInfo], size: int, of: object) -> None:
    names = [info.filename for info in infos]
    if len(infos) > _MOST_MEMBERS:
        raise LoadError(f"{of}: {len(infos)} members are more than the {_MOST_MEMBERS} allowed.")
    for info in infos:
        name = info.filename
        if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
            raise LoadError(f"{of}: the member {name!r} would lie outside of the file.")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise LoadError(f"{of}: {name} is compressed, which none that was saved is.")
        if info.flag_bits & 0x1:
            raise LoadError(f"{of}: {name} is encrypted, which none that was saved is.")
    if len(set(names)) < len(names):
        raise LoadError(f"{of}: a member is there twice.")
    if sum(info.file_size for info in infos) > size:
        raise LoadError(f"{of}: its members are longer than the file, {size} bytes.")
