"""Two kinds of pupils for benchmarks/class_of_thirty.py: a real Chromium page, and a session without a browser.

A session speaks to the server what Streamlit's own page speaks: the session cookie, the WebSocket with its protobuf
messages, every widget's state with each press, and the repeated looks that a waiting fragment asks for. The server does
the same work for it; only the drawing, which in a class happens on the pupils' own machines, is left out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import httpx
import websockets
from playwright.async_api import Browser, Page
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

PATIENCE = 180.0  # s
SLIDER = "amplitude"
SAID_CLASSES = ("hf-said", "hf-card")  # what a lesson says of its result; controls change by themselves at once
SAID = ".st-key-lesson-centre .hf-said, .st-key-lesson-right .hf-card"
WATCH = """(said) => {
  const text = () => [...document.querySelectorAll(said)].map((e) => e.textContent).join("|");
  const w = window.handfulWatch = { asked: 0, answered: 0, before: "" };
  for (const kind of ["keydown", "pointerdown"])
    document.addEventListener(kind, () => { if (w.armed) { w.asked = performance.now(); w.armed = false; } }, true);
  new MutationObserver(() => {
    if (w.asked && !w.answered && text() && text() !== w.before) w.answered = performance.now();
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
  w.arm = () => Object.assign(w, { armed: true, asked: 0, answered: 0, before: text() });
}"""


class InBrowser:
    """A Chromium context of its own. Times are the browser's own clock, from the press to the changed sentences."""

    def __init__(self, browser: Browser, lesson: str) -> None:
        self.browser, self.lesson, self.lost, self.broke = browser, lesson, 0, 0
        self.page: Page | None = None

    async def open(self, address: str) -> float:
        began = time.monotonic()
        context = await self.browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-GB")
        context.set_default_timeout(1000 * PATIENCE)
        await context.add_init_script("""localStorage.setItem('stActiveTheme-/-v2', '"Dark"')""")
        self.page = await context.new_page()
        self.page.on("pageerror", lambda _error: self._count("broke"))
        self.page.on("websocket", lambda socket: socket.on("close", lambda _socket: self._count("lost")))
        await self.page.goto(address, wait_until="commit")
        await self.page.locator(f".st-key-guess-{self.lesson}-1 button").wait_for()
        seconds = time.monotonic() - began
        await self.page.evaluate(WATCH, SAID)
        return seconds

    def _count(self, what: str) -> None:
        setattr(self, what, getattr(self, what) + 1)

    async def press(self, key: str) -> float:
        return await self._timed(lambda page: page.locator(f".st-key-{key} button").click())

    async def slide(self) -> float:
        async def right(page: Page) -> None:
            slider = page.locator(f".st-key-set-{self.lesson}-{SLIDER} input")
            await slider.focus()
            await slider.press("ArrowRight")

        return await self._timed(right)

    async def _timed(self, act: Callable[[Page], Awaitable[None]]) -> float:
        await self.page.evaluate("handfulWatch.arm()")
        await act(self.page)
        await self.page.wait_for_function("handfulWatch.answered > 0")
        return await self.page.evaluate("(handfulWatch.answered - handfulWatch.asked) / 1000")

    async def leave(self) -> bool:
        """Close; True where it was connected and well until then."""
        said = await self.page.locator("[data-testid=stConnectionStatus], [role=dialog], .hf-warn").count()
        well = not (said or self.lost or self.broke)
        await self.page.context.close()
        return well


class OverWire:
    """A session without a browser. Times are from the message sent to the message with the changed sentences."""

    def __init__(self, lesson: str) -> None:
        self.lesson, self.lost, self.broke = lesson, 0, 0
        self.ids: dict[str, str] = {}  # key of a widget -> its id
        self.values: dict[str, float] = {}  # sliders by key
        self.steps: dict[str, float] = {}
        self.known: set[str] = set()  # every sentence it has seen
        self.timers: dict[str, asyncio.Task] = {}  # by fragment
        self.fresh, self.ready = asyncio.Event(), asyncio.Event()

    async def open(self, address: str) -> float:
        began = time.monotonic()
        parts = urlsplit(address)
        self.origin, self.query = f"{parts.scheme}://{parts.netloc}", parts.query
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            await client.get(self.origin + "/", headers={"Accept": "text/html"})
            cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        self.socket = await websockets.connect(
            f"ws://{parts.netloc}/_stcore/stream", additional_headers={"Cookie": cookies}, origin=self.origin,
            subprotocols=["streamlit"], max_size=None, open_timeout=PATIENCE, ping_timeout=PATIENCE, proxy=None,
        )  # fmt: skip
        self.listening = asyncio.create_task(self._listen())
        await self._rerun()
        await asyncio.wait_for(self.ready.wait(), PATIENCE)
        return time.monotonic() - began

    async def press(self, key: str) -> float:
        return await self._timed(WidgetState(id=self.ids[key], trigger_value=True))

    async def slide(self) -> float:
        key = f"set-{self.lesson}-{SLIDER}"
        self.values[key] += self.steps[key]
        return await self._timed()

    async def _timed(self, *pressed: WidgetState) -> float:
        self.fresh.clear()
        began = time.monotonic()
        await self._rerun(*pressed)
        await asyncio.wait_for(self.fresh.wait(), PATIENCE)
        return time.monotonic() - began

    async def _rerun(self, *pressed: WidgetState, fragment: str = "") -> None:
        message = BackMsg()
        client = message.rerun_script
        client.query_string, client.fragment_id, client.is_auto_rerun = self.query, fragment, bool(fragment)
        client.context_info.locale, client.context_info.color_scheme = "en-GB", "dark"
        client.context_info.url = f"{self.origin}/"
        for key, value in self.values.items():
            state = client.widget_states.widgets.add(id=self.ids[key])
            state.double_array_value.data.append(value)
        client.widget_states.widgets.extend(pressed)
        await self.socket.send(message.SerializeToString())

    async def _listen(self) -> None:
        try:
            async for data in self.socket:
                message = ForwardMsg()
                message.ParseFromString(data)
                self._hear(message)
        except websockets.ConnectionClosedError:
            self.lost += 1

    def _hear(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "delta":
            self._take(message.delta.new_element)
        elif kind == "new_session" and not message.metadata.run.fragment_ids:
            self._stop_looking()
        elif kind == "stop_auto_rerun":
            self._stop_looking(*message.stop_auto_rerun.fragment_ids)
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "auto_rerun":
            self._stop_looking(message.auto_rerun.fragment_id)
            again = asyncio.create_task(self._look_again(message.auto_rerun))
            self.timers[message.auto_rerun.fragment_id] = again
        elif kind == "script_finished" and f"guess-{self.lesson}-1" in self.ids:
            self.ready.set()

    def _take(self, element) -> None:
        kind = element.WhichOneof("type")
        if kind in ("button", "slider"):
            made = getattr(element, kind)
            key = next((k for k in (made.id.split("-", 2)[-1], made.id.rsplit("-None", 1)[0]) if k), made.id)
            self.ids[key] = made.id
            if kind == "slider":
                self.values[key], self.steps[key] = (made.value or made.default)[0], made.step
        elif kind == "exception":
            self.broke += 1
        elif kind == "html":
            said = element.html.body
            if said not in self.known and any(name in said for name in SAID_CLASSES):
                self.known.add(said)
                self.fresh.set()

    async def _look_again(self, asked) -> None:
        while True:
            await asyncio.sleep(asked.interval)
            await self._rerun(fragment=asked.fragment_id)

    def _stop_looking(self, *fragments: str) -> None:
        """All of them where none is named."""
        for fragment in fragments or tuple(self.timers):
            if timer := self.timers.pop(fragment, None):
                timer.cancel()

    async def leave(self) -> bool:
        """Close; True where it was connected and well until then."""
        self._stop_looking()
        well = not (self.lost or self.broke or self.listening.done())
        await self.socket.close()
        return well
