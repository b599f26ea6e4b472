"""Training loops for the objective: mini-batches and L-BFGS, independent of component names."""
