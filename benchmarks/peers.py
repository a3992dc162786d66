"""Other people's implementations, where they are here: `python -m benchmarks.peers` says which (see peers.md).

They are never part of the product, and none installs cleanly beside today's torch; so they lie in a folder of their
own (HANDFUL_PEERS, default `.peers`), and what they import but a comparison doesn't use is put in as an empty module.
The code that is compared is theirs, unchanged.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from torch import nn

FOLDER = Path(os.environ.get("HANDFUL_PEERS", Path(__file__).resolve().parents[1] / ".peers"))

MAKE = "run `make bench-peers`, which needs a package index"

# Packages whose __init__ imports far more than the one file that is compared (gym, Cython extensions, torchvision):
# they become bare packages, so that Python finds the file without running the __init__.
BARE = {
    "learn2learn": ("learn2learn", "learn2learn.algorithms"),
    "easyfsl": ("easyfsl", "easyfsl.methods"),
}
# torchvision's names that easyfsl imports for networks which are not compared here.
TORCHVISION = {
    "torchvision": (),
    "torchvision.models": (),
    "torchvision.models.resnet": ("BasicBlock", "Bottleneck", "conv1x1", "conv3x3"),
}
WHERE = {
    "learn2learn": "learn2learn.algorithms.maml",
    "higher": "higher",
    "torchopt": "torchopt",
    "easyfsl": "easyfsl.methods.prototypical_networks",
    "easyfsl matching": "easyfsl.methods.matching_networks",
}


def peer(name: str) -> ModuleType | None:
    """The module that holds the implementation, or None where it isn't installed."""
    on_path()
    for package in BARE.get(name.split()[0], ()):
        if package not in sys.modules and not _bare(package):
            return None
    stubs = _without_torchvision() if name.startswith("easyfsl") else ()
    try:
        return importlib.import_module(WHERE[name])
    except ModuleNotFoundError:
        return None
    finally:
        for stub in stubs:
            del sys.modules[stub]


def on_path() -> None:
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))


def missing(name: str) -> str:
    """The sentence for a table where a peer is not installed."""
    return f"{name} isn't installed, so ours stands alone ({MAKE})"


def _bare(package: str) -> bool:
    folders = [Path(entry) / package.replace(".", "/") for entry in sys.path]
    found = [str(folder) for folder in folders if folder.is_dir()]
    if not found:
        return False
    module = ModuleType(package)
    module.__path__ = found
    sys.modules[package] = module
    return True


def _without_torchvision() -> tuple[str, ...]:
    """Put empty modules in for it where it isn't installed; returns their names, to be taken out again."""
    if "torchvision" in sys.modules or importlib.util.find_spec("torchvision"):
        return ()
    for module, names in TORCHVISION.items():
        sys.modules[module] = ModuleType(module)
        for each in names:
            setattr(sys.modules[module], each, nn.Module)
    return tuple(TORCHVISION)


def main() -> None:
    for name in WHERE:
        print(f"{name}: {'here' if peer(name) else missing(name)}")


if __name__ == "__main__":
    main()
