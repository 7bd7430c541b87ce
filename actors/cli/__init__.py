"""The command ``recsys``: one file per command."""
