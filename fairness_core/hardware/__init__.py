"""What this machine can do: memory, arithmetic, processes."""
