"""What is read: prompt tables, published data sets, hub models and packaged files."""
