"""What keeps old examples alive."""
