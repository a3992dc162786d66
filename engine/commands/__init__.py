"""One module per command: a docstring (its first line is the help), `add_arguments(parser)` and `run(args)`.

Modules import what is heavy (torch, the encoder) inside `run`, so that `--help` stays instant.
"""
