"""Case -> embedding: the one door of this room. `load_encoder()` once, `Encoder.encode(volume)` for each case."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from engine.encoders.efficientnet import Lite, SideBySide, fold
from engine.encoders.embedding import Embedder
from engine.encoders.faster import EXAMPLE, Embed, by_openvino
from engine.encoders.framing import Frame, frame
from engine.encoders.pooling import SlicePooling
from engine.encoders.views import VIEW_PX, make_views
from engine.nouns import Place, Volume

WEIGHTS = Path(__file__).resolve().parents[2] / "assets" / "weights"
# Two networks as ImageNet taught them: one stays as it is, the other is where our training starts. What that training
# moved; the scaling that fits both together.
UNTOUCHED, START = "lite2", "lite0"
TRAINED_FILE, EMBEDDING_FILE = "trained.safetensors", "embedding.safetensors"
POOLING_FILE = "pooling.safetensors"
RECIPE = "5"  # raise it with every change of code that changes embeddings: it is part of the cache key
BATCH = 16


@dataclass(frozen=True)
class Encoding:
    """A case in numbers: `embedding` (d,) float32, and per looked-at slice (k) its index, embedding and weight."""

    embedding: np.ndarray
    slices: np.ndarray
    slice_embeddings: np.ndarray
    attention: np.ndarray
    identity: str = ""

    def save(self, path: Path) -> None:
        """Write as npz beside `path` first, so that a torn file never has its name."""
        part = path.with_name(path.name + ".part")
        with part.open("wb") as out:
            np.savez(
                out,
                embedding=self.embedding,
                slices=self.slices,
                slice_embeddings=self.slice_embeddings.astype(np.float16),
                attention=self.attention,
                identity=np.array(self.identity),
            )
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Encoding:
        with np.load(path, allow_pickle=False) as raw:
            return cls(raw["embedding"], raw["slices"], raw["slice_embeddings"], raw["attention"], str(raw["identity"]))


class Encoder:
    """Views, their embeddings, their pooling; each part by itself is differentiable with respect to the pixels."""

    def __init__(self, embedder: Embedder, pooling: SlicePooling, identity: str, device: str = "cpu"):
        self.device = torch.device(device)
        self.embedder = embedder.eval().requires_grad_(False).to(self.device, memory_format=torch.channels_last)
        self.pooling = pooling.eval().requires_grad_(False).to(self.device)
        self.identity = identity
        self._faster: Embed | None = None

    def speed_up(self) -> str:
        """Let OpenVINO embed where it is installed and this is a CPU: its precision, or "" where torch goes on.

        The identity changes with the precision only, so that bf16's numbers never mix with 32-bit ones.
        """
        made = by_openvino(self.embedder) if self.device.type == "cpu" and self._faster is None else None
        if made is None:
            return ""
        self._faster, precision = made
        if precision != "f32":
            self.identity = f"{self.identity}-{precision}"
        return precision

    def frame(self, volume: Volume, region: Place | None = None) -> Frame:
        """Which slices and which square of them are looked at, in voxels. ValueError: region outside the volume."""
        return frame(volume, region)

    def views(
        self, volume: Volume, slices: tuple[int, ...] | None = None, region: Place | None = None, px: int = VIEW_PX
    ) -> Tensor:
        """(k, 3, px, px) in 0..1 of the given slices, or of those that `frame` chooses."""
        at = self.frame(volume, region)
        if slices is not None:
            at = Frame(tuple(int(s) for s in slices), at.row0, at.row1, at.col0, at.col1)
        return make_views(volume, at, px=px, bare=region is None).to(self.device)

    def embed_views(self, views: Tensor) -> Tensor:
        """(k, 3, px, px) -> (k, d) in float32; differentiable."""
        # Where nobody asks for the gradient of each channel, grey pictures need their texture measured once.
        grey = not torch.is_grad_enabled() and torch.equal(views[:, :1].expand_as(views), views)
        if self._faster is not None and not torch.is_grad_enabled() and views.shape[1:] == EXAMPLE[1:]:
            return self._faster(views, grey)
        laid_out = views.contiguous(memory_format=torch.channels_last)
        return self.embedder(laid_out, grey=True) if grey else self.embedder(laid_out)

    def pool(self, embeddings: Tensor) -> Tensor:
        """(..., k, d) -> (..., d); differentiable."""
        return self.pooling(embeddings)

    def attention(self, embeddings: Tensor) -> Tensor:
        """(..., k, d) -> (..., k): how much each slice mattered, summing to one."""
        return self.pooling.attention(embeddings)

    @property
    def middle(self) -> nn.Module:
        """The module whose output is the last map that all deeper ones rest on (1/16 of the pixels): for Grad-CAM."""
        return self.embedder.network.middle

    def encode(self, volume: Volume, *, region: Place | None = None) -> Encoding:
        """Embed a case, or a region of it. ValueError where the region lies outside."""
        at = self.frame(volume, region)
        views = make_views(volume, at, bare=region is None).to(self.device)
        with torch.inference_mode():
            embeddings = torch.cat([self.embed_views(part) for part in views.split(BATCH)])
            pooled, weights = self.pool(embeddings), self.attention(embeddings)
        return Encoding(
            pooled.cpu().numpy(),
            np.array(at.slices, np.int32),
            embeddings.cpu().numpy(),
            weights.cpu().numpy(),
            self.identity,
        )


def load_encoder(device: str = "cpu", *, trained: bool = True) -> Encoder:
    """The shipped encoder. `device`: "cpu", "cuda" or "auto". FileNotFoundError where the weights are missing.

    `trained=False`: the untouched network alone, to compare with.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return _load(device, trained)


@lru_cache(maxsize=2)
def _load(device: str, trained: bool) -> Encoder:
    embedder = load_embedder(trained)
    fold(embedder.network)
    pooling = SlicePooling(embedder.dimensions)
    if trained:  # the attention knows the whole embedding only
        pooling.load_state_dict({**pooling.state_dict(), **_read(POOLING_FILE)})
    digest = hashlib.sha256(RECIPE.encode())
    shipped = (network_file(UNTOUCHED), network_file(START), TRAINED_FILE, EMBEDDING_FILE, POOLING_FILE)
    for name in shipped if trained else (network_file(UNTOUCHED), scale_file(UNTOUCHED)):
        digest.update((WEIGHTS / name).read_bytes() if (WEIGHTS / name).exists() else b"")
    return Encoder(embedder, pooling, f"{RECIPE}-{digest.hexdigest()[:16]}", device)


def load_embedder(trained: bool) -> Embedder:
    """Networks and scaling, batch norms not yet folded: the untouched one beside the trained one, or alone."""
    if not trained:
        return lone_embedder(UNTOUCHED)
    both = SideBySide(load_network(UNTOUCHED), load_network(START, _read(TRAINED_FILE)))
    return _scaled(Embedder(both), EMBEDDING_FILE)


def lone_embedder(name: str) -> Embedder:
    """One network as ImageNet left it, with its own scaling: START is what training starts from."""
    return _scaled(Embedder(load_network(name)), scale_file(name))


def load_network(name: str, moved: dict[str, Tensor] | None = None) -> Lite:
    """A network as ImageNet left it, `moved` weights in place of its own. ValueError where the files don't fit."""
    network = Lite(name)
    start = {k: v.float() for k, v in load_file(WEIGHTS / network_file(name)).items()}
    missing = network.load_state_dict({**start, **(moved or {})}, strict=False)
    if missing.unexpected_keys or any("num_batches_tracked" not in k for k in missing.missing_keys):
        raise ValueError(f"{network_file(name)} does not fit this version of Handful: install it again")
    return network.eval()


def network_file(name: str) -> str:
    return f"{name}.safetensors"


def scale_file(name: str) -> str:
    """Centre and scale of a network that stands alone."""
    return f"{name}_embedding.safetensors"


def _scaled(embedder: Embedder, file: str) -> Embedder:
    embedder.load_state_dict({**embedder.state_dict(), **_read(file)})
    return embedder


def _read(name: str) -> dict[str, Tensor]:
    """Weights of one file in 32 bits; nothing where it is not there yet (before it is first measured or trained)."""
    path = WEIGHTS / name
    return {k: v.float() for k, v in load_file(path).items()} if path.exists() else {}
