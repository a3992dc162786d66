"""The gate, asked over the wire: Host, Origin, session, header, password, on pages, routes and the WebSocket."""

from __future__ import annotations

import asyncio
import http.client
import secrets

import httpx
import pytest

from dashboard import gate
from dashboard.login import MAX_WRONG, hash_password
from engine.projects import Store
from tests.dashboard.serving import page_server

PASSWORD = "correct horse battery"
WEBSOCKET = "/_stcore/stream"
VIEW = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with page_server(tmp_path_factory.mktemp("open") / "data") as running:
        yield running


@pytest.fixture
def locked(tmp_path):
    with page_server(tmp_path / "data", HANDFUL_PASSWORD_HASH=hash_password(PASSWORD)) as running:
        yield running


def handshake(page, *, cookie: str = "", origin: str | None = "own", host: str | None = None) -> int:
    """The status that the server answers a WebSocket handshake with; 101 is "come in"."""
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
    connection.putrequest("GET", WEBSOCKET, skip_host=True)
    headers = {
        "Host": host or f"127.0.0.1:{page.port}", "Connection": "Upgrade", "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Cookie": cookie,
    }  # fmt: skip
    if origin is not None:
        headers["Origin"] = page.url if origin == "own" else origin
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def cookie_of(client: httpx.Client) -> str:
    """The session cookie that a client was given, as a header."""
    (pair,) = [f"{name}={value}" for name, value in client.cookies.items() if name.startswith("handful_")]
    return pair


def test_the_first_view_gets_a_session_and_the_next_keeps_it(page):
    client = page.client(session=False)
    first = client.get("/", headers=VIEW)
    cookie = first.headers["set-cookie"].lower()
    assert all(word in first.headers.get_list("set-cookie")[-1].lower() for word in ("httponly", "samesite=strict")), (
        cookie
    )
    assert not any("handful_" in each for each in client.get("/", headers=VIEW).headers.get_list("set-cookie"))


def test_a_session_outlives_a_restart_of_the_page(tmp_path):
    with page_server(tmp_path / "data") as first:
        token = cookie_of(first.client()).split("=", 1)[1]
    with page_server(tmp_path / "data") as second:
        asked = httpx.get(
            f"{second.url}/hf/up/none", headers={"Cookie": f"handful_{second.port}={token}"}, trust_env=False
        )
        assert asked.status_code == 404  # let in: there is only no such upload


@pytest.mark.parametrize("path", ["/", "/static/index.js", "/_stcore/host-config", "/hf/up/x", "/hf/cases/x/thumb"])
def test_a_foreign_host_is_refused_everywhere(page, path):
    for host in ("evil.example", f"evil.example:{page.port}", "127.0.0.1.evil.example"):
        assert page.client().get(path, headers={"Host": host, **VIEW}).status_code == 400


def test_a_foreign_origin_is_refused_even_with_a_session(page):
    client = page.client()
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{page.port + 1}", f"http://localhost:{page.port}"):
        answer = client.post("/hf/up", headers={"Origin": origin, "X-Handful": "1"}, json={})
        assert answer.status_code == 403
    own = client.post("/hf/up", headers={"Origin": page.url, "X-Handful": "1"}, json={})
    assert own.status_code == 400  # let in: what it sent was no list of files


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/static/x.js"), ("GET", "/_stcore/host-config"), ("GET", "/hf/cases/c/thumb"),
     ("GET", "/hf/cases/c/voxels"), ("GET", "/hf/overlays/o"), ("GET", "/hf/downloads/d"), ("POST", "/hf/up"),
     ("PUT", "/hf/up/u/0"), ("DELETE", "/hf/up/u"), ("POST", "/hf/logout")],
)  # fmt: skip
def test_without_a_session_nothing_is_answered(page, method, path):
    client = page.client(session=False)
    assert client.request(method, path, headers={"X-Handful": "1"}).status_code == 403
    client.cookies.set(f"handful_{page.port}", secrets.token_urlsafe(32))
    assert client.request(method, path, headers={"X-Handful": "1"}).status_code == 403


def test_what_changes_something_needs_the_header(page):
    client = page.client()
    for method, path in (("POST", "/hf/up"), ("PUT", "/hf/up/u/0"), ("DELETE", "/hf/up/u")):
        assert client.request(method, path).status_code == 403
        assert client.request(method, path, headers={"X-Handful": "1"}).status_code != 403


def test_the_websocket_needs_host_origin_and_session(page):
    cookie = cookie_of(page.client())
    assert handshake(page, cookie=cookie) == 101
    assert handshake(page) == 403
    assert handshake(page, cookie=f"handful_{page.port}={secrets.token_urlsafe(32)}") == 403
    assert handshake(page, cookie=cookie, origin="http://evil.example") == 403
    assert handshake(page, cookie=cookie, origin=None) == 403
    assert handshake(page, cookie=cookie, host="evil.example", origin="http://evil.example") == 400


def test_health_is_answered_to_anyone(page):
    assert page.client(session=False).get("/_stcore/health").text == "ok"


def test_a_link_from_another_site_opens_the_page_itself_and_makes_no_session(page):
    headers = {**VIEW, "Sec-Fetch-Site": "cross-site"}
    answer = page.client(session=False).get("/", headers=headers)
    assert "refresh" in answer.text
    assert not any("handful_" in each for each in answer.headers.get_list("set-cookie"))


def test_every_answer_tells_the_browser_to_stay_here(page):
    for path in ("/", "/hf/up/none", "/_stcore/health"):
        headers = page.client().get(path, headers=VIEW).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy and "connect-src 'self'" in policy and "http" not in policy
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
    assert page.client().get("/hf/up/none").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["../handful.db", "..%2fhandful.db", "%2e%2e", "a/b", "x" * 200, "a%00b"])
def test_no_id_leads_out_of_its_folder(page, name):
    client = page.client()
    for path in (f"/hf/cases/{name}/thumb", f"/hf/cases/{name}/voxels", f"/hf/overlays/{name}", f"/hf/downloads/{name}",
                 f"/hf/up/{name}", f"/hf/assets/0123456789abcdef/{name}"):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code in (400, 404, 416), (path, answer.status_code)
        assert b"SQLite" not in answer.content


def _sign_in(page, client: httpx.Client, password: str) -> httpx.Response:
    fields = {"password": password, "reader": " A\nB "}
    return client.post("/hf/login", data=fields, headers={"Origin": page.url})


def test_with_a_password_only_the_login_page_opens(locked):
    client = locked.client(session=False)
    assert client.get("/", headers=VIEW).headers["location"] == "/hf/login"
    assert handshake(locked) == 403
    assert "密码" in client.get("/hf/login", headers={"Accept-Language": "zh-CN"}).text
    assert "Password" in client.get("/hf/login", headers={"Accept-Language": "de"}).text
    assert _sign_in(locked, client, "wrong").status_code == 403
    assert client.get("/", headers=VIEW).status_code == 303
    signed_in = _sign_in(locked, client, PASSWORD)
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
    assert client.get("/", headers=VIEW).status_code == 200
    assert handshake(locked, cookie=cookie_of(client)) == 101
    assert [row.what for row in locked.store.audit_rows()][:2] == ["login", "login.refused"]
    assert locked.store.audit_rows()[0].who == "AB"
    client.post("/hf/logout", headers={"X-Handful": "1"})
    assert client.get("/", headers=VIEW).status_code == 303


def test_a_session_from_before_the_password_does_not_outlive_it(locked):
    token = locked.store.open_session()
    answer = httpx.get(locked.url, headers={**VIEW, "Cookie": f"handful_{locked.port}={token}"}, trust_env=False)
    assert answer.headers["location"] == "/hf/login"


def test_guessing_is_stopped_even_for_the_right_password(locked):
    client = locked.client(session=False)
    for _ in range(MAX_WRONG):
        assert _sign_in(locked, client, "guess").status_code == 403
    assert _sign_in(locked, client, PASSWORD).status_code == 429


def test_a_login_form_of_another_site_is_refused(locked):
    client = locked.client(session=False)
    fields = {"password": PASSWORD}
    assert client.post("/hf/login", data=fields, headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.post("/hf/login", data=fields).status_code == 403
    assert client.get("/", headers=VIEW).status_code == 303


def test_behind_a_proxy_with_tls_the_cookie_is_for_tls_only(locked):
    client = locked.client(session=False)
    answer = client.post(
        "/hf/login", data={"password": PASSWORD}, headers={"Origin": locked.url.replace("http:", "https:")}
    )
    assert "secure" in answer.headers["set-cookie"].lower()


def test_an_open_websocket_ends_with_its_session(tmp_path, monkeypatch):
    monkeypatch.setattr(gate, "RECHECK_SECONDS", 0.0)
    store = Store(tmp_path / "handful.db")
    token, heard, sent = store.open_session(login=True), [], []

    async def page(scope, receive, send):
        while (message := await receive())["type"] != "websocket.disconnect":
            heard.append(message["text"])
            if message["text"] == "second":
                store.close_session(token)
        heard.append("over")

    async def visit() -> None:
        messages = iter(["first", "second", "third", "fourth"])

        async def receive():
            return {"type": "websocket.receive", "text": next(messages)}

        async def send(message):
            sent.append(message)

        headers = [(b"host", b"here"), (b"origin", b"http://here"), (b"cookie", f"handful_1={token}".encode())]
        scope = {"type": "websocket", "path": WEBSOCKET, "headers": headers}
        await gate.Gate(page, store, 1, lambda: True)(scope, receive, send)

    asyncio.run(visit())
    assert heard == ["first", "second", "over"]
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "Signed out"}]


def test_a_page_knows_who_signed_in(tmp_path):
    store = Store(tmp_path / "handful.db")
    token = store.open_session("AB", login=True)
    assert gate.reader(store, 8501, {"handful_8501": token}) == "AB"
    assert gate.reader(store, 8501, {"handful_8600": token}) == ""
