"""The Docker Registry API v1: its images, and how they and manifests are made from one another."""
