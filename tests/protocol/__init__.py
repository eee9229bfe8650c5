"""The OCI API as it is on the wire: every byte of a request is the test's, every byte of an answer is seen."""
