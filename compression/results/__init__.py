"""What came out: one row a recipe, what its numbers mean, and under which conditions they hold. Torch-free."""
