"""Where the bytes lie: the contract, its drivers, and the layout of the tree."""
