"""Files on an NFS server without a mount, by libnfs.  Loaded only in the ``files`` child process."""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, byref, c_char_p, c_int, c_uint64, c_void_p
from urllib.parse import urlsplit


class _Stat(ctypes.Structure):
    """``struct nfs_stat_64`` of libnfs."""

    _fields_ = [
        (name, c_uint64)
        for name in [
            "dev",
            "ino",
            "mode",
            "nlink",
            "uid",
            "gid",
            "rdev",
            "size",
            "blksize",
            "blocks",
            "atime",
            "mtime",
            "ctime",
            "atime_nsec",
            "mtime_nsec",
            "ctime_nsec",
            "used",
        ]
    ]


class _StatVfs(ctypes.Structure):
    """``struct statvfs`` of the C library on 64 bits."""

    _fields_ = [
        *(
            (n, ctypes.c_ulong)
            for n in [
                "bsize",
                "frsize",
                "blocks",
                "bfree",
                "bavail",
                "files",
                "ffree",
                "favail",
                "fsid",
                "flag",
                "namemax",
            ]
        ),
        ("spare", c_int * 6),
    ]


class _Dirent(ctypes.Structure):
    """The start of ``struct nfsdirent``; libnfs allocates it."""


_Dirent._fields_ = [("next", POINTER(_Dirent)), ("name", c_char_p), ("inode", c_uint64)]

_SONAMES = ("libnfs.so.13", "libnfs.so.14", "libnfs.so.16", "libnfs.so.12")


def _load() -> ctypes.CDLL:
    for name in _SONAMES:
        try:
            lib = ctypes.CDLL(name)
        except OSError:
            continue
        lib.nfs_init_context.restype = c_void_p
        lib.nfs_get_error.restype = c_char_p
        lib.nfs_readdir.restype = POINTER(_Dirent)
        return lib
    raise OSError("libnfs is not installed (package libnfs13), and the kernel has no NFS client")


class Nfs:
    """One mounted export; paths are relative to it and begin with ``/``."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._lib = _load()
        self._at = c_void_p(self._lib.nfs_init_context())
        self._lib.nfs_set_timeout(self._at, 10_000) if hasattr(self._lib, "nfs_set_timeout") else None
        self._do("nfs_mount", parts.netloc.encode(), parts.path.encode())

    def _do(self, name: str, *args: object) -> int:
        """Call libnfs; raise ``OSError`` with its words when it fails."""
        code = int(getattr(self._lib, name)(self._at, *args))
        if code < 0:
            words = self._lib.nfs_get_error(self._at) or b""
            raise OSError(-code, words.decode(errors="replace") or os.strerror(-code))
        return code

    def stat(self, path: str) -> tuple[int, float]:
        """Return size in bytes and time of the last change."""
        st = _Stat()
        self._do("nfs_stat64", path.encode(), byref(st))
        return int(st.size), float(st.mtime)

    def statvfs(self) -> tuple[int, int]:
        """Return capacity and what is free, in bytes."""
        st = _StatVfs()
        self._do("nfs_statvfs", b"/", byref(st))
        return int(st.blocks) * int(st.frsize), int(st.bfree) * int(st.frsize)

    def mkdir(self, path: str) -> None:
        """Make a directory; an existing one is fine."""
        try:
            self._do("nfs_mkdir", path.encode())
        except FileExistsError:
            return

    def link(self, old: str, new: str) -> None:
        """Give a file another name; ``FileExistsError`` when that is taken."""
        self._do("nfs_link", old.encode(), new.encode())

    def unlink(self, path: str) -> None:
        """Remove a file."""
        self._do("nfs_unlink", path.encode())

    def rename(self, old: str, new: str) -> None:
        """Rename over whatever is there."""
        self._do("nfs_rename", old.encode(), new.encode())

    def names(self, path: str) -> list[str]:
        """Return the names in a directory."""
        directory = c_void_p()
        self._do("nfs_opendir", path.encode(), byref(directory))
        found = []
        while entry := self._lib.nfs_readdir(self._at, directory):
            found.append(entry.contents.name.decode())
        self._lib.nfs_closedir(self._at, directory)
        return [name for name in found if name not in (".", "..")]

    def write(self, path: str, data: bytes) -> None:
        """Write a small file anew and flush it to the server's disk."""
        fh = c_void_p()
        self._do("nfs_creat", path.encode(), 0o644, byref(fh))
        try:
            self._do("nfs_write", fh, c_uint64(len(data)), data)
            self._do("nfs_fsync", fh)
        finally:
            self._lib.nfs_close(self._at, fh)

    def read(self, path: str, limit: int = 1 << 20) -> bytes:
        """Read a small file."""
        fh = c_void_p()
        self._do("nfs_open", path.encode(), os.O_RDONLY, byref(fh))
        try:
            buffer = ctypes.create_string_buffer(limit)
            got = self._do("nfs_read", fh, c_uint64(limit), buffer)
            return buffer.raw[:got]
        finally:
            self._lib.nfs_close(self._at, fh)
