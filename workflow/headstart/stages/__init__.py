"""The stages, one module per stage; they meet only through files."""
