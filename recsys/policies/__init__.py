"""Policies: they turn scores into probabilities and lists."""
