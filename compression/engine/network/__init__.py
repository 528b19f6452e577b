"""The inner form of a model: a torch.fx graph over standard layers, and the grids its weights lie on."""
