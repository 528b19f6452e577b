"""Recipes in, honestly measured results out.

Importing this package is cheap; the modules that need torch are imported where they are used.
"""

ENGINE_VERSION = "12"
"""Part of every result's key: raise it when a change makes old measurements incomparable."""

RUN = "compression.engine.run:run_recipe"
"""What carries a recipe out, as module:function; the module also has the `RunOutput` that it returns."""
