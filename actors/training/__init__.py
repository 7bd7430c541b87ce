"""History learned without a server: into the data directory that a server then starts from."""
