"""One scan: its file, its header, its grid, what is wrong with it, and how it is prepared."""
