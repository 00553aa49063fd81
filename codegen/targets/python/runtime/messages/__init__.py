"""Between an event and the message that carries it: its bytes, its key, its headers."""
