"""Numeric features of candidates, declared once for learning and serving."""
