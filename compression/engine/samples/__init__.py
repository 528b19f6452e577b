"""How the sample models' weights are made."""
