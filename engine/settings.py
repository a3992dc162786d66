"""Where things lie and how the machine is used: environment variables `HANDFUL_*` over a TOML file over defaults."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Every setting, with its default.

    `data_dir` holds all that is kept (its back-up is a copy of the folder). `key_file` holds the secret that codes
    patients; it lies outside `data_dir` on purpose, so that a stolen back-up cannot be matched to patient numbers
    by trying them all (research: an unsalted 8-digit number is found in 138 s). `device`: "auto", "cpu" or "cuda".
    `dicom_port`: where a scanner or PACS may send to (0: nowhere), as the title `dicom_title`; `dicom_callers`: the
    titles that may, separated by commas (empty: any).
    """

    data_dir: Path = Path.home() / ".local" / "share" / "handful"
    key_file: Path = Path.home() / ".config" / "handful" / "key"
    address: str = "127.0.0.1"
    port: int = 8501
    device: str = "auto"
    password_hash: str = ""
    allowed_hosts: str = ""
    demo: bool = True
    dicom_port: int = 0
    dicom_address: str = "127.0.0.1"
    dicom_title: str = "HANDFUL"
    dicom_callers: str = ""

    @property
    def database(self) -> Path:
        return self.data_dir / "handful.db"

    @property
    def cases_dir(self) -> Path:
        return self.data_dir / "cases"

    @property
    def uploads_dir(self) -> Path:
        return self.data_dir / "uploads"


def load_settings(environ: dict[str, str] | None = None) -> Settings:
    """Settings from `HANDFUL_SETTINGS` (a TOML file, optional) and `HANDFUL_<NAME>`; the environment wins."""
    environ = dict(os.environ if environ is None else environ)
    raw: dict[str, object] = {}
    if path := environ.get("HANDFUL_SETTINGS"):
        raw.update(tomllib.loads(Path(path).read_text("utf-8")))
    for field in fields(Settings):
        if (text := environ.get("HANDFUL_" + field.name.upper())) is not None:
            raw[field.name] = text
    known = {f.name: f for f in fields(Settings)}
    values: dict[str, object] = {}
    for name, value in raw.items():
        if name not in known:
            continue
        default = known[name].default
        if isinstance(default, Path):
            values[name] = Path(str(value)).expanduser()
        elif isinstance(default, bool):
            values[name] = str(value).lower() in ("1", "true", "yes", "on")
        elif isinstance(default, int):
            values[name] = int(str(value))
        else:
            values[name] = str(value)
    return Settings(**values)  # type: ignore[arg-type]
