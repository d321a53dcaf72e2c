"""Pages for print: one style, and one module for each figure."""
