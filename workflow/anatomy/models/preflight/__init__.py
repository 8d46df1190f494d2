"""What can be known of a model in seconds, before its weights are read: does it fit the run, and the run this machine?"""
