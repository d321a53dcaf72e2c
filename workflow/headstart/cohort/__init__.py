"""Many scans: who is in, who stays together, who is alike, and where each prepared volume lies."""
