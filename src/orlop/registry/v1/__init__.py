"""What clients of the Docker Registry v1 call: images one by one, each with its JSON and one layer, and tags on them."""
