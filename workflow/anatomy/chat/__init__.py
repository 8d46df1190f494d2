"""An original and an edited model answering beside each other."""
