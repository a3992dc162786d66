"""Case -> embedding. `load_encoder()` gives the shipped `Encoder`; `Encoder.encode(volume)` gives an `Encoding`."""

from engine.encoders.encoder import Encoder, Encoding, load_encoder
from engine.encoders.framing import Frame

__all__ = ["Encoder", "Encoding", "Frame", "load_encoder"]
