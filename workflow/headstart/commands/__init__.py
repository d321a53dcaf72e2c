"""What a person or a rule types: one module for each command, arguments to one call."""
