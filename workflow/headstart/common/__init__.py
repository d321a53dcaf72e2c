"""What every room stands on: errors, whole files, text, time, and stopping."""
