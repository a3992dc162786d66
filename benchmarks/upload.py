"""How fast 500 MB come in, and what they cost the page server in memory: one archive, and a thousand files.

Sends over the loopback with four requests in flight, as the drop zone does, and samples the server's resident memory
every 20 ms. For comparison: `st.file_uploader` held 1,000 MB for the same 525 MB (research/feasibility.md §4).
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine.projects.uploads import CHUNK_BYTES
from tests.dashboard.serving import Page, page_server

SIZE = 525 * 10**6
IN_FLIGHT = 4


class Memory(threading.Thread):
    """The peak resident memory of a process while it runs."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.process, self.stopped = psutil.Process(pid), threading.Event()
        self.before = self.peak = self.process.memory_info().rss

    def run(self) -> None:
        while not self.stopped.wait(0.02):
            self.peak = max(self.peak, self.process.memory_info().rss)


def send(page: Page, files: int) -> tuple[float, float, float]:
    """Seconds, and server memory before and at its peak in MB, for SIZE bytes in so many files."""
    each = SIZE // files
    client = page.client(**{"X-Handful": "1"})
    content = os.urandom(min(each, CHUNK_BYTES))
    memory = Memory(page.process.pid)
    memory.start()
    begin = time.perf_counter()
    listed = [[f"study/IM{number}", each] for number in range(files)]
    upload = client.post("/hf/up", json={"project": page.project.id, "files": listed}).json()["id"]

    def send_file(number: int) -> None:
        for offset in range(0, each, CHUNK_BYTES):
            piece = content[: min(CHUNK_BYTES, each - offset)]
            client.put(f"/hf/up/{upload}/{number}", params={"offset": offset}, content=piece).raise_for_status()

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        list(pool.map(send_file, range(files)))
    client.post(f"/hf/up/{upload}/finish").raise_for_status()
    seconds = time.perf_counter() - begin
    memory.stopped.set()
    return seconds, memory.before / 1e6, memory.peak / 1e6


def main() -> None:
    """Prints one line for each shape of upload."""
    with tempfile.TemporaryDirectory() as folder, page_server(Path(folder) / "data") as page:
        send(page, 1)  # once to warm up: the first request imports
        for files in (1, 1000):
            seconds, before, peak = send(page, files)
            print(
                f"upload {SIZE / 1e6:.0f} MB in {files} file(s): {seconds:.1f} s, {SIZE / 1e6 / seconds:.0f} MB/s, "
                f"server memory {before:.0f} -> {peak:.0f} MB (+{peak - before:.0f})"
            )


if __name__ == "__main__":
    main()
