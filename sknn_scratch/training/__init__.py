"""Loops over the objective: mini-batches and L-BFGS.  They know no component by name."""
