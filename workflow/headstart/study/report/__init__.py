"""The report: one HTML page that holds all of a study, a module for each of its sections."""
