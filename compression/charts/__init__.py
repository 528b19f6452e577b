"""Pictures as plain data. Torch-free."""
