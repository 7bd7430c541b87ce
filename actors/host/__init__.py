"""What a server does to the machine it runs on: ports, processes, folders, environment."""
