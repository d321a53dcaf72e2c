"""headstart: from a folder of head scans to a trained, judged and plotted network."""

__version__ = "0.1.0"
