"""One loop for all training, and how this machine does it fastest."""
