"""Where scans lie and whose they are: each layout of a source becomes one list of scans."""
