"""What computes: files become cases, cases become embeddings, labels become a model, and a model shows its reasons."""

__version__ = "0.1.0"
