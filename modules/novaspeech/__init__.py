"""What the speech modules of NOVA and DISCOVER share: see README.md for the map."""

__version__ = "0.1.0"
