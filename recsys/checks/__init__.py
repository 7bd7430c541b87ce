"""Conformance suites that every source, learner, policy and store passes."""
