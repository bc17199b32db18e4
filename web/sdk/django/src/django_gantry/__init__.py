"""Large files in Django by Gantry."""

__version__ = "0.1.0"
