"""The machines: their memory, a Grid Engine, and the way to it through a gateway."""
