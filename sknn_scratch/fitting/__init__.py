"""Fitting: checks, targets, weights of rows, hold-out, plans, resuming and advice."""
