"""headstart: from a folder of head scans to a trained, evaluated and plotted network."""

__version__ = "0.1.0"
