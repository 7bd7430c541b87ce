"""Learners: they score candidates and learn from examples."""
