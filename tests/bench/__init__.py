"""The benchmark: Orlop beside Debian's docker-registry 2.8.2, on one disk, in turns (`python -m tests.bench`)."""
