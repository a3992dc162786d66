"""The login page: plain HTML in the reader's language, an Argon2 hash, and a pause after wrong passwords."""

from __future__ import annotations

import asyncio
import html
import time
from collections import deque

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from dashboard.gate import MAX_READER, cookie_name, set_cookie
from dashboard.words import LANGUAGES, Words
from engine.projects import Store
from engine.settings import Settings

PASSWORD_SETTING = "password_hash"
# Wrong passwords from anyone within the window; guessing a 10-letter password at this rate takes millennia. Counted
# over all addresses, since behind a proxy every request comes from one.
MAX_WRONG, WINDOW_SECONDS = 10, 300.0
MAX_FORM_BYTES = 4096
_PAGE = """<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>Handful</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>
:root{{color-scheme:dark light}}body{{margin:0;min-height:100vh;display:grid;place-items:center;background:#0e1117;
color:#e6e9ef;font:16px/1.5 system-ui,"Noto Sans CJK SC",sans-serif}}form{{width:min(22rem,90vw);display:grid;gap:.8rem;
background:#161b24;padding:2rem;border-radius:12px;border:1px solid #2a3140}}h1{{margin:0;font-size:1.5rem}}
p{{margin:0;color:#9aa4b2;font-size:.875rem}}label{{display:grid;gap:.25rem;font-size:.875rem}}
input{{font:inherit;padding:.55rem .7rem;border-radius:8px;border:1px solid #3a4354;background:#0e1117;color:inherit}}
button{{font:inherit;padding:.6rem;border:0;border-radius:8px;background:#4fc4b5;color:#06211d;font-weight:600}}
:focus-visible{{outline:2px solid #4fc4b5;outline-offset:2px}}.wrong{{color:#ff8f86}}a{{color:#4fc4b5}}
@media(prefers-color-scheme:light){{body{{background:#f4f6f8;color:#1b2330}}form{{background:#fff;border-color:#d8dee6}}
input{{background:#fff;border-color:#b9c2ce}}p{{color:#5a6675}}.wrong{{color:#b3261e}}a{{color:#0f766b}}
button{{background:#147468;color:#fff}}:focus-visible{{outline-color:#147468}}}}</style>
<form method="post" action="/hf/login?lang={lang}"><h1>Handful</h1><p>{intro}</p>{wrong}
<label>{reader}<input name="reader" maxlength="40" autocomplete="username"></label>
<label>{password}<input name="password" type="password" autocomplete="current-password" required autofocus></label>
<button>{enter}</button><p>{notice}</p><p><a href="/hf/login?lang={other}" lang="{other}">{other_name}</a></p></form>"""


class Login:
    """`GET /hf/login` shows the page, `POST` opens a session, `POST /hf/logout` closes it."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store, self.settings = store, settings
        self._wrong: deque[float] = deque(maxlen=MAX_WRONG)
        self._one_at_a_time = asyncio.Lock()

    def password_hash(self) -> str:
        """The hash from the environment, else the one kept by `--set-password`, else ""."""
        return self.settings.password_hash or self.store.get_setting(PASSWORD_SETTING, "")

    def needs_password(self) -> bool:
        """Whether this installation has a password."""
        return bool(self.password_hash())

    async def show(self, request: Request) -> Response:
        """The page."""
        if not self.needs_password():
            return RedirectResponse("/", 303)
        return self._page(request, None, 200)

    async def enter(self, request: Request) -> Response:
        """Checks the password. The form must come from this page: Origin is there and was checked by the gate."""
        if "origin" not in request.headers:
            return self._page(request, "again", 403)
        fields = await _form(request)
        # Argon2 takes 64 MB and some 50 ms on purpose: one check at a time, and none while too many were wrong.
        async with self._one_at_a_time:
            if len(self._wrong) == MAX_WRONG and time.monotonic() - self._wrong[0] < WINDOW_SECONDS:
                return self._page(request, "too_many", 429)
            right = await asyncio.to_thread(_is_right, self.password_hash(), fields.get("password", ""))
            if not right:
                self._wrong.append(time.monotonic())
        if not right:
            await asyncio.to_thread(self.store.log, "login.refused")
            return self._page(request, "wrong", 403)
        reader = "".join(c for c in fields.get("reader", "") if c.isprintable()).strip()[:MAX_READER]
        response = RedirectResponse("/", 303)
        token = self.store.open_session(reader, login=True)
        secure = request.headers["origin"].startswith("https:")
        set_cookie(response, cookie_name(self.settings.port), token, secure=secure)
        return response

    async def leave(self, request: Request) -> Response:
        """Signs out."""
        self.store.close_session(request.scope["handful.token"])
        response = RedirectResponse("/hf/login", 303)
        response.delete_cookie(cookie_name(self.settings.port), path="/")
        return response

    def _page(self, request: Request, problem: str | None, status: int) -> Response:
        words = Words(_language(request))
        other = "en" if words.language == "zh" else "zh"
        texts = {key: html.escape(words(f"login.{key}")) for key in ("intro", "reader", "password", "enter", "notice")}
        wrong = f'<p class="wrong" role="alert">{html.escape(words(f"login.{problem}"))}</p>' if problem else ""
        other_name = LANGUAGES[other]
        return HTMLResponse(
            _PAGE.format(lang=words.language, other=other, other_name=other_name, wrong=wrong, **texts), status
        )


def hash_password(password: str) -> str:
    """Argon2id with the library's defaults (RFC 9106, low-memory profile: 64 MiB, 3 passes, 4 lanes)."""
    return PasswordHasher().hash(password)


def _is_right(stored: str, password: str) -> bool:
    try:
        return PasswordHasher().verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small form; starlette's own reader needs one more package."""
    from urllib.parse import parse_qsl

    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_FORM_BYTES:
            return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _language(request: Request) -> str:
    if (asked := request.query_params.get("lang")) in ("en", "zh"):
        return asked
    if (chosen := request.cookies.get("handful_language")) in ("en", "zh"):
        return chosen
    return "zh" if Headers(scope=request.scope).get("accept-language", "").lower().startswith("zh") else "en"
