"""What pages are made of. Each component owns its session-state keys and returns typed values."""
