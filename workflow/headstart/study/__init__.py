"""One study: its config, what a run would do, how far it is, and how it is reported."""
