"""`python -m orlop`."""

from orlop.cli import main

main()
