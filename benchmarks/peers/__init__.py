"""The obvious alternatives, as somebody would build them in a day; ``recsys bench peers`` has them.

They run in an environment of their own (``requirements.txt``) and import nothing of ours.
"""
