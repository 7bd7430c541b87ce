"""Offline protocols and their metrics."""
