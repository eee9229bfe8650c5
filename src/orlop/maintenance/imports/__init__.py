"""What is taken over from other registries."""
