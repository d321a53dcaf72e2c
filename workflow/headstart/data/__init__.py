"""Where scans and labels come from: collections, folders, tables, and their join."""
