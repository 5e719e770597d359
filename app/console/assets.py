"""Assets: the files that pages consist of, in one table that is made at the start.

A request's path is looked up in the table and never joined to a folder, so that none leads out of
it. Some files are our own; GraphiQL's and Swagger UI's come from the packages that brought them.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response

from app.accept import Accept

PATH = "/console/static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".graphql": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
REVALIDATED = "no-cache"  # kept, but asked about each time: our own files change with a release
IMMUTABLE = "public, max-age=31536000, immutable"  # a year, for an address that names a version
WORTH_COMPRESSING = 1024  # bytes; below it gzip saves no packet


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes as they are, the same by gzip where that is worth it, and their name."""

    plain: bytes
    gzipped: bytes | None
    etag: str

    @classmethod
    def of(cls, plain: bytes) -> Content:
        digest = hashlib.sha256(plain).hexdigest()[:32]
        packed = gzip.compress(plain, mtime=0) if len(plain) >= WORTH_COMPRESSING else None
        # Weak: one name for both, which are the same text but not the same bytes.
        return cls(plain, packed, f'W/"{digest}"')


class Asset:
    """One file; it is read when somebody asks for it first, and kept."""

    def __init__(
        self,
        source: Traversable,
        *,
        cache_control: str = REVALIDATED,
        replaced: Mapping[str, str] | None = None,
    ) -> None:
        """`replaced`: what stands in the file for something that is known at the start only."""
        self.source = source
        self.kind = TYPES[_suffix(source.name)]
        self._cache_control, self._replaced = cache_control, replaced or {}
        self._content: Content | None = None

    async def response(self, request: Request, headers: Mapping[str, str]) -> Response:
        """The file with these headers and its own; 304 to who has it."""
        if self._content is None:
            self._content = await asyncio.to_thread(self._read)  # 60 ms for a file of 1.5 MB
        content = self._content
        own = {
            **headers,
            "ETag": content.etag,
            "Cache-Control": self._cache_control,
            "Vary": "Accept-Encoding",
        }
        if content.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=own)
        encodings = Accept.read(request.headers.get("accept-encoding"))
        if content.gzipped and encodings.names("gzip"):
            own["Content-Encoding"] = "gzip"
            return Response(content.gzipped, headers=own, media_type=self.kind)
        return Response(content.plain, headers=own, media_type=self.kind)

    def _read(self) -> Content:
        plain = self.source.read_bytes()
        for mark, meant in self._replaced.items():
            plain = plain.replace(mark.encode(), meant.encode())
        return Content.of(plain)


@dataclass(frozen=True, slots=True)
class Package:
    """Files that somebody else wrote, from the installed distribution that brings them.

    `name` is ours, for the address, in which the version stands too: `@name` in a page of ours is
    replaced by both. `folder` is a path from the distribution's package on.
    """

    name: str
    distribution: str
    folder: str
    files: Sequence[str]

    @property
    def versioned(self) -> str:
        return f"{self.name}-{_version(self.distribution)}"

    def assets(self) -> dict[str, Asset]:
        package, *path = self.folder.split("/")
        root = resources.files(package).joinpath(*path)
        return {
            f"{self.versioned}/{file.rpartition('/')[2]}": Asset(
                root.joinpath(*file.split("/")), cache_control=IMMUTABLE
            )
            for file in self.files
        }


@cache
def _version(distribution: str) -> str:
    return metadata.version(distribution)  # it parses a file of the distribution each time


def own(folder: str, *packages: Package) -> dict[str, Asset]:
    """Every file of a folder below static/ that a browser can use, by its path below static/."""
    root = resources.files("app.console").joinpath("static").joinpath(folder)
    replaced = {f"@{package.name}/": f"{package.versioned}/" for package in packages}
    return {
        f"{folder}/{path}": Asset(source, replaced=replaced)
        for path, source in _files(root)
        if _suffix(path) in TYPES
    }


def _files(folder: Traversable, before: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir() if folder.is_dir() else ():
        if entry.is_dir():
            yield from _files(entry, f"{before}{entry.name}/")
        else:
            yield f"{before}{entry.name}", entry


def _suffix(name: str) -> str:
    """What kind of file it is; a type declaration (`.d.ts`) is none of those in the table."""
    return name[name.rfind(".") :] if "." in name else ""
