"""Where the PACS is: kept in the store's settings, its password sealed (`vault`), its address never in a log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from engine.nouns import Note
from engine.pacs.vault import Vault
from engine.projects.store import Store
from engine.sentences import Refusal

SETTING = "pacs"
OUR_TITLE = "HANDFUL"  # the application entity title that we call with unless another is given


@dataclass(frozen=True)
class Address:
    """`web`: the DICOMweb root, "https://pacs/dicom-web". `host`, `port`, `title`: for C-STORE; "" and 0 without.

    `inbox`: the project that studies sent to our listener go to. `keep`: their original identifiers are kept too.
    """

    web: str = ""
    user: str = ""
    password: str = ""
    host: str = ""
    port: int = 0
    title: str = ""
    our_title: str = OUR_TITLE
    inbox: str = ""
    keep: bool = False


def read_address(store: Store, vault: Vault) -> Address:
    """The address as it was given, or an empty one."""
    raw: dict[str, Any] = dict(store.get_setting(SETTING, {}))
    sealed = raw.pop("sealed", "")
    return Address(**raw, password=vault.open(sealed)["password"] if sealed else "")


def keep_address(store: Store, vault: Vault, address: Address, reader: str = "") -> None:
    """Checks and keeps an address. Raises Refusal for one that cannot be used."""
    check(address)
    raw = {k: v for k, v in vars(address).items() if k != "password"}
    if address.password:
        raw["sealed"] = vault.seal({"password": address.password})
    store.set_setting(SETTING, raw)
    store.log("pacs.address", reader=reader)


def check(address: Address) -> None:
    """Raises Refusal: a web address is http(s) without user and query; a title is 1 to 16 printable characters."""
    if address.web:
        parts = urlsplit(address.web)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise Refusal(Note("pacs.address_web"))
    if address.host and not (0 < address.port < 65536):
        raise Refusal(Note("pacs.address_port"))
    for title in (address.title, address.our_title):
        if title and not (title.isascii() and title.isprintable() and len(title) <= 16 and "\\" not in title):
            raise Refusal(Note("pacs.address_title"))


def ways(address: Address) -> tuple[str, ...]:
    """How results can leave, the better one first: "web" answers what it took, "ae" is older and everywhere."""
    return tuple(way for way, there in (("web", address.web), ("ae", address.host and address.title)) if there)
