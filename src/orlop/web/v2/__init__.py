"""The OCI Distribution API."""
