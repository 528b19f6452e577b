"""What the Inspect page shows: numbers first, pictures second. Torch-free; made from the answers of studies."""
