"""Bytes, not networks: models of symbols, range coding, and the order in which tensors are read."""
