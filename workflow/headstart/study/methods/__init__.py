"""The methods of a study in words: one module for each section, told from its files alone."""
