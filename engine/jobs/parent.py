"""A child that outlives its supervisor would hold its port or its lane: it ends itself instead."""

from __future__ import annotations

import os
import signal
import threading
import time

# Names the supervisor's process: a child may be so young that its parent was gone before it could look.
SUPERVISOR = "HANDFUL_SUPERVISOR"
LOOK_SECONDS = 0.5


def end_with_parent() -> None:
    """From now on this process gets SIGTERM once the supervisor (else its parent) is gone, however that went."""
    parent = int(os.environ.get(SUPERVISOR) or os.getppid())

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
