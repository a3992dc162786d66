"""The one gate in front of everything: pages, static files, our routes and the WebSocket.

Streamlit's own checks cover its WebSocket only (measured: our routes answered a foreign Host and a bare PUT), so:
1. Host is checked first by `TrustedHostMiddleware` (a foreign name that resolves to this machine gets 400).
2. Origin, where a browser sends one, must be the page itself; on the WebSocket it must be there.
3. A session cookie, HttpOnly and SameSite=Strict. Without a password the first page view gets one; with a password
   only the login page gives one. It is kept (hashed) in the store and so outlives a restart.
4. What changes something under /hf/ must carry `X-Handful: 1`: a header that a form of another site cannot send.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.projects import Session, Store

CSRF_HEADER = "x-handful"
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
# Answered to anyone: health for supervisor and container, and what the login page itself needs.
OPEN_PATHS = ("/_stcore/health", "/hf/login")
# An open WebSocket is asked again for its session this often.
RECHECK_SECONDS = 20.0
COOKIE_SECONDS = 30 * 24 * 3600
MAX_READER = 40  # characters of a reader's name

# Everything the page loads comes from this machine: the browser itself refuses the rest. Streamlit and the viewer
# need inline styles, evaluated scripts (their bundles compile templates) and blob workers.
CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' blob:; worker-src 'self' blob:; "
    "connect-src 'self' blob: data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-src 'self'; "
    "frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


def cookie_name(port: int) -> str:
    """Browsers share cookies between the ports of a host, so two installations need two names."""
    return f"handful_{port}"


class SecurityHeaders:
    """Adds the headers above to every answer, and keeps what our routes say out of the browser's cache."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/hf/"):
                    headers.setdefault("cache-control", "no-store")
            await send(message)

        await self.app(scope, receive, send_with_headers)


class Gate:
    """Lets a request through when Origin, session and header are right; `scope["handful.session"]` is its session."""

    def __init__(self, app: ASGIApp, store: Store, port: int, needs_password: Callable[[], bool]) -> None:
        self.app, self.store, self.cookie, self.needs_password = app, store, cookie_name(port), needs_password

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not origin_fits(headers, must_be_there=scope["type"] == "websocket"):
            await _refuse(scope, receive, send, "Foreign origin")
            return
        session = await asyncio.to_thread(self._session, headers)
        scope["handful.session"], scope["handful.token"] = session, self._token(headers)
        if scope["type"] == "websocket":
            if session is None:
                await _refuse(scope, receive, send, "No session")
            else:
                await self.app(scope, self._while_signed_in(headers, receive, send), send)
            return
        if scope["path"] in OPEN_PATHS:
            await self.app(scope, receive, send)
        elif session is None:
            await self._without_session(scope, receive, send, headers)
        elif not _may_change(scope, headers):
            await _refuse(scope, receive, send, "Header X-Handful is missing")
        else:
            await self.app(scope, receive, send)

    def _token(self, headers: Headers) -> str:
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(headers.get("cookie", ""))
        except CookieError:
            return ""
        return jar[self.cookie].value if self.cookie in jar else ""

    def _session(self, headers: Headers) -> Session | None:
        token = self._token(headers)
        session = self.store.session(token) if token else None
        # A session from before a password was set does not outlive that.
        return None if session and self.needs_password() and not session.login else session

    def _while_signed_in(self, headers: Headers, receive: Receive, send: Send) -> Receive:
        """`receive` of a WebSocket that ends with its session: a tab left open must not outlive a sign-out."""
        checked = time.monotonic()

        async def receive_while_signed_in() -> Message:
            nonlocal checked
            message = await receive()
            if message["type"] == "websocket.receive" and time.monotonic() - checked >= RECHECK_SECONDS:
                checked = time.monotonic()
                if await asyncio.to_thread(self._session, headers) is None:
                    await send({"type": "websocket.close", "code": 1008, "reason": "Signed out"})
                    return {"type": "websocket.disconnect", "code": 1008, "reason": "Signed out"}
            return message

        return receive_while_signed_in

    async def _without_session(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        """A page view is sent to the login page or given a session; anything else is refused."""
        is_view = scope["method"] == "GET" and "text/html" in headers.get("accept", "")
        if not is_view or scope["path"].startswith(("/hf/", "/_stcore/")):
            await _refuse(scope, receive, send, "No session")
        elif headers.get("sec-fetch-site") == "cross-site":
            # A link on another site: SameSite=Strict holds the cookie back for this one step, so the page opens itself.
            page = HTMLResponse('<!doctype html><meta http-equiv="refresh" content="0"><title>Handful</title>')
            await page(scope, receive, send)
        elif self.needs_password():
            await RedirectResponse("/hf/login", 303)(scope, receive, send)
        else:
            token = self.store.open_session()

            async def send_with_cookie(message: Message) -> None:
                if message["type"] == "http.response.start":
                    carrier = Response()
                    set_cookie(carrier, self.cookie, token, secure=False)
                    MutableHeaders(scope=message).append("set-cookie", carrier.headers["set-cookie"])
                    # Never from a cache: a cached page would come without a cookie.
                    MutableHeaders(scope=message)["cache-control"] = "no-store"
                await send(message)

            await self.app(scope, receive, send_with_cookie)


def reader(store: Store, port: int, cookies: Mapping[str, str]) -> str:
    """Who is signed in, by the name or initials given there; "" where there is no password.

    For a page run: `reader(store, settings.port, st.context.cookies)`.
    """
    session = store.session(cookies.get(cookie_name(port), ""))
    return session.who if session else ""


def session_hash(store: Store, port: int, cookies: Mapping[str, str]) -> str:
    """What stands for this browser's session in the store, "" without one."""
    session = store.session(cookies.get(cookie_name(port), ""))
    return session.token_hash if session else ""


def name_reader(store: Store, port: int, cookies: Mapping[str, str], who: str) -> None:
    """Keep who reads at this browser, where no password is set; at a sign-in the name was given there."""
    name = "".join(c for c in who if c.isprintable()).strip()[:MAX_READER]
    store.name_session(cookies.get(cookie_name(port), ""), name)


def set_cookie(response: Response, name: str, token: str, *, secure: bool) -> None:
    """The session cookie: out of reach of scripts, and never sent along from another site."""
    response.set_cookie(name, token, COOKIE_SECONDS, path="/", httponly=True, samesite="strict", secure=secure)


def origin_fits(headers: Headers, *, must_be_there: bool) -> bool:
    """Whether Origin names the host that was asked. A proxy may end TLS before us, so the scheme is not compared."""
    origin = headers.get("origin")
    if origin is None:
        return not must_be_there
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc.lower() == headers.get("host", "").lower()


def _may_change(scope: Scope, headers: Headers) -> bool:
    return scope["method"] not in UNSAFE or not scope["path"].startswith("/hf/") or headers.get(CSRF_HEADER) is not None


async def _refuse(scope: Scope, receive: Receive, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        # Before the handshake is accepted a close is answered with 403 (ASGI, WebSocket close).
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": reason})
    else:
        await PlainTextResponse(reason, 403)(scope, receive, send)
