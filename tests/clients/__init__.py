"""Real programs push to Orlop and pull from it: what they get back is compared byte for byte."""
