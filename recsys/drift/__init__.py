"""What notices that people have changed, and what it does about it."""
