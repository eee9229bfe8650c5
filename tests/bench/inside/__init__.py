"""How fast Orlop looks inside images: figures of its own, since no other registry does."""
