"""Pictures to embeddings at 128 px: as the product does it, plainly, and with faster runtimes where they are here.

"plain" is eager 32-bit PyTorch with batch norms as trained and pictures laid out as usual; the product folds each
batch norm into its convolution and keeps channels last. OpenVINO and onnxruntime are optional (peers.md).
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks import peers
from benchmarks.measuring import has_bf16
from engine.encoders import load_encoder
from engine.encoders.encoder import _load, load_embedder

PICTURES, PX = 16, 128
Embed = Callable[[Tensor], Tensor]


def pictures() -> Tensor:
    """Smooth noise: (n, 3, 128, 128) in 0..1, gray as CT is."""
    draw = torch.Generator().manual_seed(0)
    rough = torch.rand(PICTURES, 1, 16, 16, generator=draw)
    return nn.functional.interpolate(rough, (PX, PX), mode="bicubic").clamp(0, 1).repeat(1, 3, 1, 1)


def ways() -> dict[str, Embed]:
    """Every way there is on this machine, the plain one first."""
    plain, encoder = load_embedder(trained=True).eval(), load_encoder()

    def as_shipped(views: Tensor) -> Tensor:
        with torch.inference_mode():
            return encoder.embed_views(views)

    def as_plain(views: Tensor) -> Tensor:
        with torch.inference_mode():
            return plain(views)

    def in_bf16(views: Tensor) -> Tensor:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            return encoder.embed_views(views).float()

    out = {"plain eager fp32": as_plain, "ours: folded, channels last": as_shipped, "ours in bf16 autocast": in_bf16}
    if found("openvino"):
        out["OpenVINO" + (" bf16" if has_bf16() else " fp32")] = by_openvino()
    if found("onnxruntime") and found("onnxscript"):
        out["onnxruntime fp32"] = by_onnxruntime(load_encoder().embedder)
    return out


def found(package: str) -> bool:
    peers.on_path()
    return importlib.util.find_spec(package) is not None


def by_openvino() -> Embed:
    """As the product does where it is installed (engine/encoders/faster.py)."""
    encoder = _load.__wrapped__("cpu", True)  # one of its own: speeding up changes it for good
    encoder.speed_up()

    def embed(views: Tensor) -> Tensor:
        with torch.inference_mode():
            return encoder.embed_views(views)

    return embed


def by_onnxruntime(embedder: nn.Module) -> Embed:
    import onnxruntime

    file = io.BytesIO()
    torch.onnx.export(embedder.eval(), (pictures(),), file, dynamo=True, verbose=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda views: torch.from_numpy(session.run(None, {name: views.numpy()})[0])
