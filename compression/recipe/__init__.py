"""What is asked for: steps, recipes, sliders, budgets, and how they are called. Torch-free."""
