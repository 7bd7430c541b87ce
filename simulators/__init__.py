"""Simulated people clicking through a real server over HTTP."""
