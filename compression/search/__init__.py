"""What to try next, and what it would bring. Torch-free."""
