"""What is read: prompt tables, published data sets and hub models."""
