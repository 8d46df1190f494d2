"""Jobs of PASTA's own, as rules/papers/pasta.smk names them: from files to files."""
