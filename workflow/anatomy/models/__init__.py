"""How a model is opened and spoken to."""
