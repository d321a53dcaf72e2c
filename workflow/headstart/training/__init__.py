"""One network, trained on one fold with one seed."""
