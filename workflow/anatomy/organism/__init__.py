"""The built-in model organism: an invented world, and a family of tiny models grown from it."""
