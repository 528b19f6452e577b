"""What the chapters of the course show, computed with the engine's own primitives on real layers."""
