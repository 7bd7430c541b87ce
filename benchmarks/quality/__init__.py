"""How well the engine serves simulated people, measured in one process, without a server."""
