"""The dashboard's pages: each reads its controls, calls a room without torch, and draws."""
