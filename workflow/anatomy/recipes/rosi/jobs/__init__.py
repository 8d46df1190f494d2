"""Jobs of ROSI's own, as rules/papers/rosi.smk names them: from files to files."""
