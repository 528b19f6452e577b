"""The dashboard's pages: each reads its controls, calls the engine's torch-free half, and draws."""
