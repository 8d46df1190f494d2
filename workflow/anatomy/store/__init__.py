"""What has been computed, kept so that nothing is computed twice and a kill loses at most one shard."""
