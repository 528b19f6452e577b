"""Pure functions over tensors and graphs, each with its paper. They know no steps, files or jobs."""
