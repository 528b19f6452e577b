"""What is compressed: models with their facts and versions, data sets, layers. Torch-free."""
