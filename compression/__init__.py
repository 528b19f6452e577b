"""Compression engine: recipes in, honestly measured results out.

Importing this package is cheap; the modules that need torch are imported where they are used.
"""

ENGINE_VERSION = "7"
"""Part of every result's key: raise it when a change makes old measurements incomparable."""
