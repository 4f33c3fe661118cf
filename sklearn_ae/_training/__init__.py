"""How a network is trained: rows in batches, objective, steps."""
