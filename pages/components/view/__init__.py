"""Which model and setting a page shows, and how a link says it."""
