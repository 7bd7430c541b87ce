"""Re-learning the shared ranker from a log in several passes, beside the learning of each event.

``lessons`` folds a log again and writes down what it taught; ``search`` looks for settings under
which several passes over it would have predicted better, and ``trainer`` makes the passes.
``judge`` compares, choice by choice, what two learners would have predicted.
"""

__all__: list[str] = []
