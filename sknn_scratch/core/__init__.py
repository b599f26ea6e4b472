"""The mathematics of a feed-forward network: no policy, no scikit-learn, no components."""
