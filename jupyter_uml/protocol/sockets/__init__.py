"""Many answers at once over one WebSocket: its messages, the session that carries them, their description."""
