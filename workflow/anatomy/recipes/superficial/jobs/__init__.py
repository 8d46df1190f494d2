"""Jobs of superficial knowledge's own, as rules/papers/superficial.smk names them: from files to files."""
