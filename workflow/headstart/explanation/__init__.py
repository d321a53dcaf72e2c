"""Where in a scan an answer comes from: maps of it, and whether they show what was learnt."""
