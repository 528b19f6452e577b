"""What a result means, in words. Torch-free."""
