"""The public collections in collections.yaml: addresses, checksums, licences, what may come out."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated
from typing import Any
from typing import Literal
from urllib.parse import unquote
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError
from pydantic import model_validator

from headstart.common.errors import UserError

CATALOGUE = Path(__file__).with_name("collections.yaml")
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
# Of an archive that a user names by its address, these files come out.
ANY_SCAN = r"(?P<path>(?:.+/)?[^/]+\.(?:nii|nii\.gz|json|tsv|csv|txt|bval|bvec|xls|xlsx))"
# What a source's folder tells of itself; hidden, the same for each modality.
MARKER = "fetched.json"
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"

Md5 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=NAME)]
# What a study says of a collection unless it says otherwise: keys of `data[]` in its config.
Study = dict[str, Any]


class Entry(BaseModel):
    """A part of the catalogue or of a request: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Download(Entry):
    """One file to download; see the head of collections.yaml."""

    mirrors: tuple[str, ...] = Field(min_length=1)
    md5: Md5 | None = None
    sha256: Sha256 | None = None
    bytes: int | None = Field(None, gt=0)
    gigabytes: float | None = Field(None, gt=0)

    @property
    def size(self) -> int | None:
        """Its size in bytes, exact or approximate; None if not published."""
        if self.bytes is None and self.gigabytes is not None:
            return int(self.gigabytes * 1e9)
        return self.bytes


class MemberCount(Entry):
    """How many different matches of a pattern the names of the unpacked files must have."""

    of: str
    expected: int = Field(gt=0)


class Modality(Entry):
    """What a study can request: a folder of files of one kind."""

    archives: tuple[FileName, ...] = ()
    tables: tuple[FileName, ...] = ()
    members: str = ANY_SCAN
    space: Literal["RAW", "SUBJ_111", "T88_111", "FSL_SEG"] | None = None
    gigabytes: float | None = Field(None, gt=0)
    counts: dict[str, MemberCount] = {}
    study: Study = {}

    @property
    def pattern(self) -> re.Pattern[str]:
        """`members`, compiled; only ASCII digits are digits."""
        return re.compile(self.members, re.ASCII)


class Collection(Entry):
    """One collection."""

    title: str
    licence: str
    terms: str
    accept: bool = False
    cite: str
    files: dict[FileName, Download]
    tables: tuple[FileName, ...] = ()
    study: Study = {}
    modalities: dict[FileName, Modality]

    @model_validator(mode="after")
    def _consistent(self) -> Collection:
        named = {*self.tables}
        for name, modality in self.modalities.items():
            named |= {*modality.archives, *modality.tables}
            if "path" not in modality.pattern.groupindex:
                raise ValueError(f"{name}: `members` needs a group `path`")
        if named != set(self.files):
            raise ValueError(f"named but not in `files`, or not named: {named ^ set(self.files)}")
        return self

    def choose(self, names: tuple[str, ...]) -> dict[str, Modality]:
        """Return the modalities of these names; the only one there is where none is named.

        Raises:
            UserError: If there is no such modality, or there are several and none is named.
        """
        allowed = ", ".join(self.modalities)
        if not names and len(self.modalities) > 1:
            raise UserError(f"{self.title}: say which modality to fetch: {allowed}")
        for name in names:
            if name not in self.modalities:
                raise UserError(f"{self.title}: no modality '{name}'; allowed: {allowed}")
        return {name: self.modalities[name] for name in names or self.modalities}

    def digest(self) -> str:
        """Digest the collection's content: neither its mirrors nor how it is studied."""
        values = self.model_dump(mode="json", exclude={"study"})
        for file in values["files"].values():
            del file["mirrors"]
        for modality in values["modalities"].values():
            del modality["study"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


class Request(Entry):
    """What a study wants of one source.

    Attributes:
        source: Name in the catalogue; any other name if `url` is given.
        modality: Names of modalities; may be empty where there is only one.
        accept_terms: Whether the user has read and accepts the source's terms.
        mirrors: Folders or addresses to look in before the published ones.
        url: Address of an archive or a file that is not in the catalogue.
        md5: Its md5, if published.
        sha256: Its sha256, if published.
        bytes: Its size, if published.
    """

    source: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    modality: tuple[str, ...] = ()
    accept_terms: bool = False
    mirrors: tuple[str, ...] = ()
    url: str | None = None
    md5: Md5 | None = None
    sha256: Sha256 | None = None
    bytes: int | None = Field(None, gt=0)

    def resolve(self) -> Collection:
        """Return the source that is asked for.

        Raises:
            UserError: If it is neither in the catalogue nor described by `url`.
        """
        if self.url is not None:
            return _described(self.url, self.md5, self.sha256, self.bytes)
        return _known(self.source)

    def within(self, project: Path) -> Request:
        """Return the request with addresses in place of paths that start in a folder."""
        mirrors = tuple(absolute(mirror, project) for mirror in self.mirrors)
        url = None if self.url is None else absolute(self.url, project)
        return self.model_copy(update={"mirrors": mirrors, "url": url})

    def markers(self) -> list[str]:
        """Return the files, below the source's folder, that are there once it is complete."""
        wanted = self.resolve().choose(self.modality)
        return [MARKER, *(f"{name}/.{MARKER}" for name, one in wanted.items() if one.archives)]

    def refusal(self) -> str:
        """Say that the source's terms must be accepted first; "" if they are, or needn't be."""
        source = self.resolve()
        if self.accept_terms or not source.accept:
            return ""
        return (
            f"{self.source}: its terms must be accepted first: read {source.terms}, then set "
            "accept_terms: true in the config, or give --accept-terms"
        )

    def digest(self) -> str:
        """Digest the source's content, whatever its address, and whether its terms are accepted.

        The modalities don't count: one more is one more folder, and leaves the others alone.
        """
        source = self.resolve()
        accepted = self.accept_terms if source.accept else None
        return hashlib.sha256(f"{source.digest()} {accepted}".encode()).hexdigest()[:16]


def read_request(values: object) -> Request:
    """Check what a command line or a study requests.

    Raises:
        UserError: If a key is unknown, or a value is not as it should be.
    """
    try:
        return Request.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UserError(f"fetch: {key} = {first['input']!r}: {first['msg']}") from error


@cache
def read_catalogue(path: Path = CATALOGUE) -> dict[str, Collection]:
    """Read collections.yaml."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: Collection.model_validate(entry) for name, entry in entries.items()}


def with_defaults(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Complete a study's section of a collection by the defaults in collections.yaml.

    A key that the study writes takes the place of the default. A source with `channels`, but
    neither `modality` nor `url`, is a folder of the user's own, whatever its name.

    Args:
        entry: An entry of the config's `data`, not checked yet.

    Returns:
        The same with the modalities by name, and with the keys that it leaves to the catalogue.

    Raises:
        UserError: If there is no such collection or modality, or several and none is named. The
            message begins with the key.
    """
    name, asked = entry.get("source"), entry.get("modality") or ()
    modality = (asked,) if isinstance(asked, str) else asked
    if entry.get("url") is not None:
        if modality:
            raise UserError(
                "modality: an archive that is named by its `url` has none; leave it out"
            )
        return dict(entry)
    listed = isinstance(modality, list | tuple) and all(isinstance(one, str) for one in modality)
    if not isinstance(name, str) or not listed:
        return dict(entry)
    if not modality and (entry.get("channels") or not _near(name)):
        return dict(entry)
    try:
        source = _known(name)
    except UserError as error:
        raise UserError(f"source: {error}") from None
    try:
        chosen = source.choose(tuple(modality))
    except UserError as error:
        raise UserError(f"modality: {error}") from None
    return {**_study(source, chosen, entry), **entry, "modality": tuple(chosen)}


def _study(source: Collection, chosen: Mapping[str, Modality], entry: Mapping[str, Any]) -> Study:
    """Join the keys that the catalogue has for a collection and for the chosen modalities."""
    study = dict(source.study)
    channels: dict[str, str] = {}
    for name, modality in chosen.items():
        own = modality.study.get("channels", {})
        twice = set(own) & set(channels)
        if twice and "channels" not in entry:
            raise UserError(
                f"modality: {name} and another one both give the channel {min(twice)}; choose one "
                "of them, or write `channels` yourself"
            )
        channels |= own
        study |= modality.study
    return study | {"channels": channels} if channels else study


def absolute(place: str, folder: Path) -> str:
    """Return an address as it is, and a path, which may start in a folder, as `file://`."""
    return place if urlsplit(place).scheme else (folder / place).resolve().as_uri()


def _near(name: str) -> list[str]:
    return difflib.get_close_matches(name, read_catalogue(), 1)


def _known(name: str) -> Collection:
    catalogue = read_catalogue()
    if name not in catalogue:
        near = _near(name)
        hint = f"did you mean '{near[0]}'?" if near else "known: " + ", ".join(catalogue)
        raise UserError(f"no source '{name}' ({hint}); another archive needs its url")
    return catalogue[name]


def _described(url: str, md5: str | None, sha256: str | None, size: int | None) -> Collection:
    name = unquote(urlsplit(url).path).rsplit("/", 1)[-1]
    if not re.fullmatch(NAME, name):
        raise UserError(f"{url}: the address doesn't end in the name of a file")
    file = Download(mirrors=(url,), md5=md5, sha256=sha256, bytes=size)
    names = (name,)
    modality = Modality(archives=names) if name.endswith(ARCHIVES) else Modality(tables=names)
    return Collection(
        title=name,
        licence="not stated",
        terms=url,
        cite=f"Data were downloaded from {url}.",
        files={name: file},
        modalities={"files": modality},
    )
