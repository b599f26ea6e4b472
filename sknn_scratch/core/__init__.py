"""Mathematics of a feed-forward network, independent of scikit-learn and of components."""
